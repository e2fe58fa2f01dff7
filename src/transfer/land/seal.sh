# Has a staged tree on disk and says that it is whole.
#
#   stage   the stage
#   kept    the folder of the record
#   digest  what the tree will be
#   was     what the place contains, or `absent`
#   known   what has to be known of the trees to take a swap back, in a line

stage=$1 kept=$2 digest=$3 was=$4 known=$5

all_on_disk "$stage"
[ -d "$stage" ] || stop $EX_STALE "$stage is gone"
put "$kept/known" "$known"
put "$kept/staged" "$digest $(identity "$stage") $was"
