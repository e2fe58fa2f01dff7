# What the scripts for a node's folder share. It stands before each of them.
#
# Needs a POSIX shell, coreutils or busybox, and flock. Nothing is ever pasted
# into these texts: everything comes as arguments or on standard input.
#
# Exit codes that mean the same everywhere:
#   69 there is no flock or no setsid; 70 the run does not hold the node;
#   71 a lock was not free in time; 73 the files can't be written (why is on
#   standard error); 74 what is there is not what was seen; 75 the input did not
#   arrive whole.

its_lc_all=${LC_ALL-}
LC_ALL=C
export LC_ALL
its_umask=$(umask)
umask 077
newline='
'

# Where programs are looked for: the folders of the login's own PATH, then the usual ones.
its_path=
IFS=:
set -f
for folder in ${PATH-} /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
    case $folder::$its_path: in
    /*:*:"$folder":*) ;;
    /*) its_path=$its_path${its_path:+:}$folder ;;
    esac
done
set +f
unset IFS
PATH=$its_path
export PATH

# Runs a program with the environment of commands: little, and the same every time. With `its_exec=exec` it takes the
# place of the shell.
as_a_command() {
    ${its_exec-} env -i PATH="$its_path" ${its_lc_all:+"LC_ALL=$its_lc_all"} \
        ${HOME+"HOME=$HOME"} ${USER+"USER=$USER"} ${LOGNAME+"LOGNAME=$LOGNAME"} ${SHELL+"SHELL=$SHELL"} \
        ${LANG+"LANG=$LANG"} ${TZ+"TZ=$TZ"} ${TMPDIR+"TMPDIR=$TMPDIR"} ${LC_CTYPE+"LC_CTYPE=$LC_CTYPE"} \
        ${LC_MESSAGES+"LC_MESSAGES=$LC_MESSAGES"} ${LC_COLLATE+"LC_COLLATE=$LC_COLLATE"} \
        ${LC_NUMERIC+"LC_NUMERIC=$LC_NUMERIC"} ${LC_TIME+"LC_TIME=$LC_TIME"} "$@"
}

# The clock in milliseconds. One that tells only seconds is late by up to one.
clock() {
    now=$(date +%s%3N)
    coarse=
    case $now in
    *[!0-9]*) coarse=yes ;;
    ?????????????) ;;
    *) coarse=yes ;;
    esac
    [ -z "$coarse" ] || now=$(date +%s)000
}

# The same, early where seconds are all that it tells: better too careful than too late.
careful_clock() {
    clock
    [ -z "$coarse" ] || now=$((now + 999))
}

# A short pause, and a longer one where a sleep counts whole seconds.
nap() {
    sleep "$1" 2>/dev/null || sleep 1
}

# Has files or folders on disk.
sync_path() {
    sync "$@" 2>/dev/null || sync
}

# Writes a text to a file of its own. A shell that can't does not always say why; another program does.
write_text() { # FILE TEXT
    printf '%s' "$2" 2>/dev/null >"$1" || printf '%s' "$2" | cat >"$1"
}

# Puts a text into a file: readers see the old one or the new one, and it is on disk.
put() { # FILE TEXT
    write_text "$1.new" "$2" && sync_path "$1.new" && mv -f "$1.new" "$1"
}

# Whether something may be written there; a failed `exec` would end some shells at once.
opens() {
    true >>"$1"
}

# Removes files that may not be there.
discard() { # FILE...
    for file; do
        [ ! -e "$file" ] || rm -f "$file" || return 1
    done
}

# Takes the lock of descriptor 9, if it is free within so many seconds.
# Some shells hide what they opened from the programs they run, unless it is handed on.
lock() { # SECONDS
    command -v flock >/dev/null || exit 69
    flock -n 9 9>&9 && return 0
    [ "$1" -gt 0 ] || return 1
    clock
    lock_end=$((now + $1 * 1000))
    pause=0.01
    until flock -n 9 9>&9; do
        clock
        [ "$now" -lt "$lock_end" ] || return 1
        nap "$pause"
        case $pause in 0.01) pause=0.03 ;; 0.03) pause=0.1 ;; *) pause=0.2 ;; esac
    done
}

# One part of an answer: its name, its length, its text.
say() { # NAME TEXT
    printf '%s %d\n%s\n' "$1" "${#2}" "$2"
}

# Sets `text` to what a short file says, for which no other program is started.
take_in() { # FILE
    text=
    while IFS= read -r its_line; do
        text=$text$its_line$newline
    done <"$1" || return 1
    text=$text$its_line
}

# A short file as a part of an answer; one that is not there is no part.
say_file() { # NAME FILE
    [ -f "$2" ] || return 0
    take_in "$2" || return 1
    say "$1" "$text"
}
