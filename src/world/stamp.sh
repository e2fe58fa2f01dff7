# Tells what a node remembers of a step.
#
#   base     where the effect's files are
#   other    the same for the other direction of the step

say_effect "$1" "$2" || exit 73
