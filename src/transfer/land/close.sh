# Closes the folders again that a replacing which was cut short had opened for itself, and says that it has.
#
#   to    the place
#   kept  the folder of the step's record

to=$1 kept=$2

[ -f "$kept/closed" ] || exit 0
real_of "$to"
cd -P -- "$real" || stop $EX_FAILED "$to can't be entered"
obey . <"$kept/closed"
rm -f -- "$kept/closed"
echo closed
