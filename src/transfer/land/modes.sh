# Gives what is in the stage a mode.
#
#   stage  the stage
#   mode   the mode
#
# Standard input names what gets it.

stage=$1 mode=$2

cd -P -- "$stage" || stop $EX_STALE "$stage is gone"
alone "$stage"
heard xargs -0 chmod "$mode" || blame "what is in $stage can't get the mode $mode" "$said"
