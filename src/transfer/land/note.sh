# Notes down what a swap has to know to carry over what changed since the tree was staged.
#
#   what  `live` before anything is looked at: what the live tree contains; or
#         `own`: what of it is carried over, which standard input names
#   to    the place
#   kept  the folder for it

what=$1 to=$2 kept=$3

said=$(mkdir -p -- "$kept" 2>&1) || blame "$kept can't be made" "$said"
if [ "$what" = own ]; then
    tr '\n\0' '\001\n' >"$kept/own" || stop $EX_FAILED "$kept/own can't be written"
    exit 0
fi
real_of "$to"
rm -f -- "$kept/live"
! [ -d "$real" ] || listing "$real" >"$kept/live" || stop $EX_FAILED "$kept/live can't be written"
