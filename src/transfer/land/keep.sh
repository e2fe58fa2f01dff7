# Keeps standard input in a file beside a stage.
#
#   at  the file

at=$1

said=$({ cat >"$at"; } 2>&1) || blame "$at can't be written" "$said"
