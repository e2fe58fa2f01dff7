# Makes the folder in which a tree is staged, or takes over the one that an earlier run left.
#
#   stage   the folder
#   found   the one of an earlier run, which gets its name; `-` for none
#   kept    the folder for the record by which cleaning up finds it, and
#   record  the record
#
# Standard input names what is there and does not belong there.

stage=$1 found=$2 kept=$3 record=$4

said=$(mkdir -p -- "$kept" 2>&1) || blame "$kept can't be made" "$said"
rm -f -- "$kept/staged"
put "$kept/kept.json" "$record"
# Where the stage is in the place, making it changes the time of that.
touch -r "${stage%/*}/" -- "$kept/time" 2>/dev/null
if ! exists "$stage" && [ "$found" != - ] && [ -d "$found" ] && ! [ -L "$found" ]; then
    said=$(mv -- "$found" "$stage" 2>&1) || blame "$found can't be taken over" "$said"
fi
if ! [ -d "$stage" ] || [ -L "$stage" ]; then
    said=$(mkdir -- "$stage" 2>&1) || blame "$stage can't be made" "$said"
fi
cd -P -- "$stage" || exit $EX_FAILED
alone "$stage" end
without_mounts "$stage"
open_up
without_lists
xargs -0 rm -rf -- || stop $EX_FAILED "what an earlier run left in $stage can't be removed"
# Every link has gone with the rest: nothing that comes is written through one.
through=$(find . -type l) && [ -z "$through" ] || stop $EX_FAILED "there are links in $stage already: remove that folder"
