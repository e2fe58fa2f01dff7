# Writes out a node's copy of a journal; nothing where there is none.
#
#   journal  the file

if [ -e "$1" ]; then
    exec cat "$1"
fi
