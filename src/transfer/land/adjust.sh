# Gives files in a stage their mode, owner and time, as standard input orders it; see `replace.sh`.
#
#   stage  the stage

stage=$1

cd -P -- "$stage" || stop $EX_STALE "$stage is gone"
alone "$stage"
obey "$stage"
