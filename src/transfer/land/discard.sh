# Takes files out of the stage again, so that they can come once more.
#
#   stage  the stage
#
# Standard input names the files.

stage=$1

cd -P -- "$stage" || stop $EX_STALE "$stage is gone"
alone "$stage"
open_up
xargs -0 rm -f -- || stop $EX_FAILED "what arrived broken in $stage can't be removed"
