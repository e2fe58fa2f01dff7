# Has a staged tree on disk and says that it is whole.
#
#   stage   the stage
#   kept    the folder of the record
#   digest  what the tree will be
#   was     what the place contains, or `absent`

stage=$1 kept=$2 digest=$3 was=$4

sync -f -- "$stage" 2>/dev/null || sync
[ -d "$stage" ] || stop $EX_STALE "$stage is gone"
put "$kept/staged" "$digest $(identity "$stage") $was"
