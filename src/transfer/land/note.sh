# Notes down what a swap has to know to carry over what changed since the tree was staged.
#
#   what  `live` before anything is looked at: what the live tree contains; or
#         `own`: what of it is carried over, which standard input names
#   to    the place
#   kept  the folder for it

what=$1 to=$2 kept=$3

said=$(mkdir -p -- "$kept" 2>&1) || blame "$kept can't be made" "$said"
if [ "$what" = own ]; then
    said=$({ tr '\n\0' '\001\n' >"$kept/own"; } 2>&1) || blame "$kept/own can't be written" "$said"
    exit 0
fi
real_of "$to"
tree_of "$real"
rm -f -- "$kept/live"
[ -d "$tree" ] || exit 0
said=$({ listing "$tree" >"$kept/live"; } 2>&1) || blame "$kept/live can't be written" "$said"
