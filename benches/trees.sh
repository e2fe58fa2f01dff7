#!/usr/bin/env bash
# Makes the two trees on which copying is measured: `app`, an application folder of 8,000 files and about 1.05 GB, and
# `tiny`, 50,000 files and 75 MB.
#
#   benches/trees.sh FOLDER
set -euo pipefail

folder=${1:?a folder}
mkdir -p "$folder"
python3 - "$folder" <<'PY'
import os, random, sys
root = sys.argv[1]
draw = random.Random(7)
noise = draw.randbytes(1 << 20)

def write(path, size, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        while size > 0:
            at = draw.randrange(1 << 19)
            size -= file.write(noise[at:at + min(size, 1 << 19)])
    os.chmod(path, mode)

app = os.path.join(root, "app")
if not os.path.exists(app):
    for at in range(24):
        write(f"{app}/lib/big-{at}.jar", draw.randrange(5 << 20, 70 << 20))
    for at in range(7876):
        ending = draw.choice(["xml", "properties", "class", "js", "sh"])
        mode = 0o755 if ending == "sh" else 0o644
        write(f"{app}/d{at % 40}/s{at % 13}/file-{at}.{ending}", draw.randrange(1000, 50_000), mode)
    for at in range(100):
        os.symlink(f"big-{at % 24}.jar", f"{app}/lib/link-{at}.jar")
tiny = os.path.join(root, "tiny")
if not os.path.exists(tiny):
    for at in range(50_000):
        write(f"{tiny}/d{at % 100}/s{at % 7}/file-{at}", draw.randrange(1, 3000))
PY
