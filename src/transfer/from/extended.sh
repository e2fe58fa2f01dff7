# Writes the extended attributes of what is in a tree, in the words of `getfattr`.
#
#   tree  the tree
#
# The first line names what found them; `none` where nothing can.

cd -P -- "$1" || stop $EX_STALE "$1 is gone"
# What this user may not see is not carried, so nobody needs to hear of it.
if getfattr --version >/dev/null 2>&1; then
    echo getfattr
    getfattr -R -P -h -d -m - -e hex -- . 2>/dev/null
elif python3 -c '' 2>/dev/null; then
    echo python3
    python3 -c '
import os

def quoted(name):
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-"
    return "".join(chr(byte) if byte in plain else "\\%03o" % byte for byte in name)

def tell(path):
    try:
        found = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in os.listxattr(path, follow_symlinks=False)]
    except OSError:
        return
    if found:
        print("# file: " + quoted(path))
        for name, value in found:
            print(quoted(os.fsencode(name)) + "=0x" + value.hex())

tell(b".")
for top, folders, files in os.walk(b"."):
    for name in folders + files:
        tell(os.path.join(top, name))
' || stop $EX_FAILED "the extended attributes in $1 can't be read"
else
    echo none
fi
exit 0
