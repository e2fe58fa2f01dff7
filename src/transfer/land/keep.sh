# Keeps standard input in a file of the step's record.
#
#   at  the file

at=$1

said=$({ cat >"$at"; } 2>&1) || blame "$at can't be written" "$said"
