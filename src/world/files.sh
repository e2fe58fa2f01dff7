# Files on a node that is reached by nothing but a shell: looks at them, and changes them.
#
# Needs a POSIX shell and the GNU core utilities, find and tar; those of busybox do for files without access lists or
# other extended attributes. Nothing is ever pasted into this text: everything comes as arguments, and what may be a
# secret on standard input.
#
#   files.sh VERB ARGUMENT...
#
# A PATH is what `printf %b` makes of an argument, so that any byte can stand in it; one without a backslash stands for
# itself. BESIDE is the hidden name beside a path that only one run uses. BACKUP is the folder of one step's backup.
# KEPT, the record of what is kept there, is the first line on standard input of every verb that has a BACKUP.
#
# Looks; they change nothing. What they write is made of parts that end with a zero byte.
#   path PATH              kind, and a link's target
#   read PATH              kind, size, content, and whether it stayed the same (see `survey`)
#   digest PATH            kind and fingerprint of a file
#   portrait PATH...       for each: kind, and what tells it from another of its kind; links not followed
#   kept BACKUP [PATH]     what was kept, its portrait, and that of what stands at the path now
#   record BACKUP          what was kept
#   tree PATH              what a folder contains, links followed
#   survey PATH BACKUP HOW all that must be known before a file is changed: kind, what was kept, whether it is being
#                          written in place, and for a file: identity, real path, attributes, whether it must stay the
#                          same file, extended attributes, content (where HOW is
#                          `content`), and whether it stayed the same. A folder is let pass where HOW is `any`, and a
#                          link is not followed where it is `here`
#   aside PATH BESIDE BACKUP
#                          kind and target, what was kept, and a free name aside
#   leftovers FOLDER       what was kept in each backup of a folder
#   weigh PATH...          size and path of each that is there
#
# Jobs; they run under the node's effect lock. Done twice, they do no more.
#   put PATH REAL BESIDE IDENTITY BACKUP AS_KEPT SOURCE MODE OWNER TIMES AS_IS CHANGES
#   take-away PATH REAL IDENTITY BACKUP AS_KEPT
#   keep-file PATH REAL IDENTITY BACKUP AS_KEPT
#   keep-tree PATH BACKUP
#   link PATH TARGET BESIDE WAS BACKUP KEEP
#   point PATH TARGET BESIDE
#   remove PATH ASIDE BACKUP EARLIER
#   move FROM TO
#   copy-tree FROM TO BESIDE MARK
#   restore-tree PATH REAL BESIDE BACKUP
#   restore-aside PATH AT
#   clear PATH...
#
# Exit codes: 0 done, and otherwise a sentence on standard error and
EX_STALE=81    # somebody else changed it
EX_ABSENT=82   # nothing is there
EX_TAKEN=83    # something is there already
EX_NO_FILE=84  # it is something else than a file
EX_DENIED=85   # this user may not
EX_FULL=86     # the disk is full
EX_ELSEWHERE=87 # another file system
EX_FIXED=88    # it is marked as immutable
EX_FAILED=89   # anything else

set -u
umask 077
unset CDPATH GREP_OPTIONS POSIXLY_CORRECT TAR_OPTIONS BLOCKSIZE
IFS=' 	
'
LC_ALL=C
PATH=${PATH:-}:/usr/bin:/bin:/usr/sbin:/sbin
export LC_ALL PATH

# What must not stay when this ends, however it ends: what gets its name last, and a backup that is not complete.
litter= half=
sweep() {
    [ -z "$litter" ] || away "$litter" 2>/dev/null
    [ -z "$half" ] || away "$half" 2>/dev/null
}
trap sweep EXIT
trap 'exit 143' HUP INT TERM PIPE

stop() {
    code=$1
    shift
    printf '%s\n' "$*" >&2
    exit "$code"
}

# Says why something could not be done to a path, in the words of the program that failed.
blame() {
    reason=${3##*: }
    case $3 in
    *'No space left on device'* | *'uota exceeded'* | *'File too large'*) code=$EX_FULL ;;
    *'Read-only file system'*) code=$EX_DENIED ;;
    *'ermission denied'* | *'peration not permitted'*)
        code=$EX_DENIED
        if is_fixed "$2" || is_fixed "${2%/*}/"; then
            code=$EX_FIXED
        fi
        reason="$reason (as user $(id -u))"
        ;;
    *'cross-device'*) code=$EX_ELSEWHERE ;;
    *) code=$EX_FAILED ;;
    esac
    stop "$code" "$2 can't be $1: $reason"
}

is_fixed() {
    flags=$(lsattr -d -- "$1" 2>/dev/null) || return 1
    case ${flags%% *} in
    *i* | *a*) return 0 ;;
    esac
    return 1
}

# attempt DONE PATH COMMAND...: does it, or stops with the reason.
attempt() {
    attempted=$1 attempted_on=$2
    shift 2
    said=$("$@" 2>&1 >/dev/null) || blame "$attempted" "$attempted_on" "$said"
}

# take NAME PATH: sets the variable to the path that an argument stands for.
take() {
    case $2 in
    *\\*)
        taken=$(printf '%b.' "$2")
        taken=${taken%.}
        ;;
    *) taken=$2 ;;
    esac
    eval "$1=\$taken"
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

part() {
    printf '%s\0' "$1"
}

# The first place in a folder, itself included, at which something is mounted.
mounted_in() (
    [ -r /proc/self/mountinfo ] || exit 0
    folder=$(cd -P -- "$1" 2>/dev/null && pwd -P) || folder=$1
    while read -r _ _ _ _ point _; do
        case $point in
        *\\*)
            point=$(printf '%b.' "$point")
            point=${point%.}
            ;;
        esac
        case $point in
        "$folder" | "$folder"/*)
            printf '%s\n' "$point"
            break
            ;;
        esac
    done </proc/self/mountinfo
)

# Removes what stands at a path, and nothing of what is mounted in it.
away() {
    exists "$1" || return 0
    within=
    if [ -d "$1" ] && ! [ -L "$1" ]; then
        mounted=$(mounted_in "$1")
        if [ -n "$mounted" ]; then
            printf '%s\n' "something is mounted at $mounted; unmount it first" >&2
            return 1
        fi
        ! rm -f --one-file-system 2>/dev/null || within=--one-file-system
    fi
    rm -rf $within -- "$1" 2>/dev/null || {
        chmod -R u+rwx -- "$1"
        rm -rf $within -- "$1"
    }
}

# Has files, or the names in folders, on disk. Where only the whole system can be asked to, that is asked.
on_disk() {
    said=$(sync -- "$@" 2>&1) || case $said in
    *'nput/output error'* | *'No space'* | *uota*) blame written "$1" "$said" ;;
    *) sync ;;
    esac
}

tree_on_disk() {
    sync -f -- "$1" 2>/dev/null || sync
    on_disk "$1"
}

folder_of() {
    folder=${1%/*}
    folder=${folder:-/}
}

fill() { cat >"$1"; }
fill_from() { cat -- "$2" >"$1"; }
say_into() { printf '%s' "$2" 2>/dev/null >"$1" || printf '%s' "$2" | cat >"$1"; }

# --- What is there ---

# Sets `kind` to what stands at a path, links followed.
look_at() {
    if [ -f "$1" ]; then
        kind=file
        return
    fi
    kind=$(stat -L -c %F -- "$1" 2>&1) || case $kind in
    *'o such file'* | *'ot a directory'*)
        kind=absent
        return
        ;;
    *) blame read "$1" "$kind" ;;
    esac
    case $kind in
    regular*) kind=file ;;
    directory) kind=folder ;;
    esac
}

# Sets `kind` to what stands at a path itself.
look_here() {
    if [ -f "$1" ] && ! [ -L "$1" ]; then
        kind=file
        return
    fi
    kind=$(stat -c %F -- "$1" 2>&1) || case $kind in
    *'o such file'* | *'ot a directory'*)
        kind=absent
        return
        ;;
    *) blame read "$1" "$kind" ;;
    esac
    case $kind in
    regular*) kind=file ;;
    directory) kind=folder ;;
    symbolic*) kind=link ;;
    *) kind=other ;;
    esac
}

file_only() {
    case $2 in
    file) return ;;
    folder) what='a folder' ;;
    fifo) what='a pipe' ;;
    socket) what='a socket' ;;
    *special*) what='a device' ;;
    *) what='something else' ;;
    esac
    stop $EX_NO_FILE "$1 is $what and not a file"
}

# Sets `real` to the path without links.
real_of() {
    real=$(readlink -f -- "$1" 2>&1 && echo .) || blame read "$1" "$real"
    real=${real%??}
}

IDENTITY=%d:%i:%s:%f:%u:%g:%h:%y:%z

identity() {
    stat -c "$IDENTITY" -- "$1" 2>/dev/null || echo gone
}

# Stops unless at the real path there is still what was seen there, `-` for nothing.
still() {
    if [ "$2" = - ]; then
        ! exists "$1" || stop $EX_TAKEN "there is something at $1 already"
    elif [ "$(identity "$1")" != "$2" ]; then
        stop $EX_STALE "somebody else changed $1 at the same time; it was left as they made it"
    fi
}

# The same, by way of the path that was asked for.
still_at() {
    if [ "$3" != - ]; then
        real_now=$(readlink -f -- "$1" 2>/dev/null && echo .)
        [ "${real_now%??}" = "$2" ] ||
            stop $EX_STALE "somebody else changed what $1 is at the same time; it was left as they made it"
    fi
    still "$2" "$3"
}

# Whether something is mounted at this path itself.
is_mounted() {
    [ -r /proc/self/mountinfo ] || return 1
    escaped=$1
    case $1 in
    *[\\\ \	]*) escaped=$(printf '%s' "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/	/\\011/g') ;;
    esac
    while read -r _ _ _ _ point _; do
        [ "$point" != "$escaped" ] || return 0
    done </proc/self/mountinfo
    return 1
}

# Sets `mount` to where the file system of a folder is mounted.
mount_of() {
    mount=/
    [ -r /proc/self/mountinfo ] || return 0
    while read -r _ _ _ _ point _; do
        case $point in
        *\\*) take point "$(printf '%s' "$point" | sed 's/\\\([0-7]\)/\\0\1/g')" ;;
        esac
        case $1/ in
        "${point%/}"/*) [ "${#point}" -lt "${#mount}" ] || mount=$point ;;
        esac
    done </proc/self/mountinfo
}

# The start of an archive of the file, in which its extended attributes stand, as digits.
extended() {
    archive=$(tar --xattrs --xattrs-include='*' --format=posix -b1 -P -cf - -- "$1" 2>/dev/null |
        head -c 73728 | od -An -v -tx1)
    if [ -z "$archive" ]; then
        case $(ls -ld -- "$1") in
        ??????????+*)
            stop $EX_FAILED "$1 has an access list, which can't be read without GNU tar"
            ;;
        esac
    fi
    printf '%s' "$archive"
}

# What a folder contains: an entry each with kind, mode, and size or target.
records() (
    cd -P -- "$1" || exit 1
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
        find . \( -type d -printf '%P//d %m\0' \) -o \( -type f -printf '%P//f %m %s\0' \) \
            -o \( -type l -printf '%P//l %l\0' \) -o -printf '%P//o %m\0'
    else
        find . -exec /bin/sh -c 'for at; do
                within=${at#.}
                within=${within#/}
                if [ -L "$at" ]; then
                    printf "%s//l " "$within"
                    readlink -n "$at"
                    printf "\\0"
                elif [ -d "$at" ]; then
                    printf "%s//d %s\\0" "$within" "$(stat -c %a "$at")"
                elif [ -f "$at" ]; then
                    printf "%s//f %s\\0" "$within" "$(stat -c "%a %s" "$at")"
                else
                    printf "%s//o %s\\0" "$within" "$(stat -c %a "$at")"
                fi
            done' sh {} +
    fi
)

# The fingerprints of a folder's files, in the order of their names.
hashes() (
    cd -P -- "$1" || exit 1
    find . -type f -print0 | sort -z -S 64M | xargs -0 -r -n256 sha256sum --
)

# One fingerprint of all that.
mark_of() {
    { records "$1" | sort -z -S 64M && hashes "$1"; } 2>/dev/null | sha256sum | cut -d ' ' -f 1
}

# Writes what a folder contains; a part without content ends the entries.
manifest() {
    {
        said=$(records "$1" 2>&1 >&3) || unreadable "$1" "$said"
        part ''
        said=$(hashes "$1" 2>&1 >&3) || unreadable "$1" "$said"
        part ''
    } 3>&1
}

# Names what can't be read as a person would look for it.
unreadable() {
    within=${2#*: }
    within=${within#[\'\"‘]}
    within=${within#./}
    within=${within%%[\'\"]: *}
    within=${within%%: *}
    blame read "$1/$within" "$2"
}

portrait() {
    case $kind in
    absent) part absent ;;
    folder)
        part folder
        manifest "$1"
        ;;
    link)
        part link
        readlink -n -- "$1" || blame read "$1" 'it is no link any more'
        part ''
        ;;
    file)
        part file
        hash_of "$1"
        part "$hash"
        ;;
    *)
        look_at "$1"
        file_only "$1" "$kind"
        ;;
    esac
}

hash_of() {
    hash=$(sha256sum <"$1" 2>&1) || blame read "$1" "$hash"
    hash=${hash%% *}
}

# --- Backups ---

# Sets `kept` to the record of a backup, which is empty where none is complete.
kept_in() {
    kept=
    if [ -e "$1/kept.json" ]; then
        kept=$(cat -- "$1/kept.json" 2>&1) || blame read "$1/kept.json" "$kept"
    fi
}

is_complete() {
    [ -e "$1/kept.json" ]
}

# An empty place for a backup; a complete one that is there already is kept under another name.
begin() {
    if is_complete "$1"; then
        count=1
        while exists "$1.$count"; do
            count=$((count + 1))
        done
        attempt moved "$1" mv -T -- "$1" "$1.$count"
    else
        attempt removed "$1" away "$1"
    fi
    half=$1
    attempt made "$1" mkdir -p -- "$1"
}

# Puts a file of our own there, whole and on disk.
place() {
    said=$(say_into "$1.new" "$2" 2>&1) || {
        rm -f -- "$1.new"
        blame written "$1" "$said"
    }
    on_disk "$1.new"
    attempt written "$1" mv -f -- "$1.new" "$1"
    folder_of "$1"
    on_disk "$folder"
}

# complete BACKUP RECORD [NAME]: the record gets its name last, after that of what was kept: with it, the backup is
# complete.
complete() {
    attempt written "$1/kept.json" say_into "$1/kept.json.new" "$2"
    on_disk "$1/kept.json.new" ${3:+"$1/$3.new"}
    [ -z "${3:-}" ] || attempt written "$1/$3" mv -f -- "$1/$3.new" "$1/$3"
    attempt written "$1/kept.json" mv -f -- "$1/kept.json.new" "$1/kept.json"
    half=
    folder_of "$1"
    on_disk "$1" "$folder"
}

# keep REAL IDENTITY BACKUP AS_KEPT FRESH RECORD: keeps a file before FRESH takes its place, unless that was done.
keep() {
    if is_complete "$3"; then
        [ ! -e "$3/in-place" ] || return 0
        if [ "$2" = - ]; then
            [ "$4" != yes ] || return 0
        else
            if [ -n "$5" ] && cmp -s -- "$5" "$1"; then
                return 0
            fi
            if [ "$4" = yes ] && cmp -s -- "$3/content" "$1"; then
                return 0
            fi
        fi
    fi
    begin "$3"
    if [ "$2" = - ]; then
        complete "$3" "$6"
        return
    fi
    attempt written "$3/content" fill_from "$3/content.new" "$1"
    still "$1" "$2"
    complete "$3" "$6" content
}

# --- Files ---

# Gives a file what another has besides its content and times, as far as the system lets us.
like() {
    cp --attributes-only --preserve=all --no-preserve=timestamps -- "$1" "$2" 2>/dev/null || cp_nothing "$1"
}

# Without that, mode and owner are all that a file may have.
cp_nothing() {
    case $(ls -ld -- "$1") in
    ??????????+*) stop $EX_FAILED "$1 would lose its access list: that can't be kept without GNU cp" ;;
    esac
}

# give FILE NAME MODE OWNER TIMES CHANGES
give() {
    has=$(stat -c '%u:%g %a' -- "$1")
    if [ "$4" != - ] && [ "${has% *}" != "$4" ]; then
        said=$(chown -- "$4" "$1" 2>&1) || lost "$2" 'its owner' "$said"
        has=
    fi
    if [ -n "$6" ]; then
        give_extended "$1" "$2" "$6"
        has=
    fi
    if [ "${has#* }" != "$3" ]; then
        said=$(chmod -- "$3" "$1" 2>&1) || lost "$2" 'its mode' "$said"
    fi
    if [ "$5" != - ]; then
        give_time -a "${5%% *}" "$1" && give_time -m "${5##* }" "$1" ||
            stop $EX_FAILED "$2 can't be given its times"
    fi
}

give_time() {
    touch "$1" -d "@$2" -- "$3" 2>/dev/null || touch "$1" -d "@${2%%.*}" -- "$3" 2>/dev/null
}

# Lines of `set NAME VALUE` or `drop NAME`.
give_extended() {
    command -v setfattr >/dev/null ||
        stop $EX_FAILED "$2 would lose its extended attributes, which can't be given without setfattr"
    printf '%s' "$3" | while read -r what name value; do
        case $what in
        set) said=$(setfattr -n "$name" -v "$value" -- "$1" 2>&1) || lost "$2" "its attribute $name" "$said" ;;
        drop) setfattr -x "$name" -- "$1" 2>/dev/null ;;
        esac
    done || exit
}

lost() {
    code=$EX_FAILED
    case $3 in
    *'ermission denied'* | *'peration not permitted'*) code=$EX_DENIED ;;
    *'No space'* | *uota*) code=$EX_FULL ;;
    esac
    stop "$code" "$1 would lose $2: ${3##*: } (as user $(id -u))"
}

# Reads the lines of changes that follow the record; an empty one ends them.
read_changes() {
    changes=
    [ "$1" != - ] || return 0
    while IFS= read -r line && [ -n "$line" ]; do
        changes="$changes$line
"
    done
}

# Whether a file has the content that it shall have.
has_content() {
    cmp -s -- "$1" "$2"
}

put() {
    take path "$1"
    take real "$2"
    take beside "$3"
    seen=$4
    take backup "$5"
    as_kept=$6
    take source "$7"
    mode=$8 owner=$9
    shift 9
    times=$1 as_is=$2
    IFS= read -r record || stop $EX_FAILED 'the record of what is kept never came'
    read_changes "$3"

    still_at "$path" "$real" "$seen"
    deed=replaced
    fresh=$beside
    stays=
    if [ "$seen" = - ]; then
        deed=made
    elif must_stay "$real" "$seen"; then
        stays=yes
        folder_of "$backup"
        attempt made "$folder" mkdir -p -- "$folder"
        fresh=$backup.fresh
    fi
    attempt "$deed" "$path" away "$fresh"
    litter=$fresh
    if [ "$source" = - ]; then
        attempt "$deed" "$real" fill "$fresh"
    else
        [ -e "$source" ] || stop $EX_FAILED "the backup $source is gone"
        attempt "$deed" "$real" fill_from "$fresh" "$source"
    fi
    if [ "$seen" != - ] && [ "$as_is" = yes ] && has_content "$fresh" "$real"; then
        # What is put back as it is needs no backup of itself.
        [ "$source" != - ] || keep "$real" "$seen" "$backup" "$as_kept" "$fresh" "$record"
        return
    fi
    if [ "$source" = - ] || [ "$seen" != - ]; then
        keep "$real" "$seen" "$backup" "$as_kept" "$fresh" "$record"
    fi
    if [ -n "$stays" ]; then
        write_in_place
        return
    fi
    if [ "$seen" != - ]; then
        like "$real" "$fresh"
    elif [ "$source" != - ]; then
        like "$source" "$fresh"
    fi
    give "$fresh" "$real" "$mode" "$owner" "$times" "$changes"
    on_disk "$fresh"
    still "$real" "$seen"
    if [ "$seen" = - ]; then
        to_nothing "$fresh" "$real" made
    else
        attempt replaced "$real" mv -fT -- "$fresh" "$real"
    fi
    litter=
    folder_of "$real"
    on_disk "$folder"
}

# must_stay REAL IDENTITY: a file that has other names, or is mounted there, goes on being the same file.
must_stay() {
    names=${2#*:*:*:*:*:*:}
    [ "${names%%:*}" -gt 1 ] || is_mounted "$1"
}

write_in_place() {
    place "$backup/in-place" ''
    still "$real" "$seen"
    size=$(stat -c %s -- "$fresh")
    if [ "$size" -gt 0 ] && command -v fallocate >/dev/null; then
        said=$(fallocate -n -l "$size" -- "$real" 2>&1) || case $said in
        *'No space'* | *uota*)
            rm -f -- "$backup/in-place"
            blame written "$real" "$said"
            ;;
        esac
    fi
    if ! said=$(overwrite "$fresh" "$real" "$size" 2>&1); then
        # The bytes that were there had room before.
        overwrite "$backup/content" "$real" "$(stat -c %s -- "$backup/content")" >/dev/null 2>&1 &&
            rm -f -- "$backup/in-place"
        blame written "$real" "$said"
    fi
    give "$real" "$real" "$mode" "$owner" "$times" "$changes"
    on_disk "$real"
    attempt removed "$backup/in-place" rm -f -- "$backup/in-place"
    on_disk "$backup"
}

overwrite() {
    dd if="$1" of="$2" bs=65536 conv=notrunc,fsync 2>&1 && truncate -s "$3" -- "$2" && sync -- "$2"
}

keep_file() {
    take path "$1"
    take real "$2"
    take backup "$4"
    IFS= read -r record
    still_at "$path" "$real" "$3"
    keep "$real" "$3" "$backup" "$5" '' "$record"
}

# Takes away what stands where nothing stood before.
take_away() {
    take path "$1"
    take real "$2"
    take backup "$4"
    IFS= read -r record
    look_here "$path"
    case $kind in
    absent) return ;;
    link) ;;
    *)
        still_at "$path" "$real" "$3"
        keep "$real" "$3" "$backup" "$5" '' "$record"
        ;;
    esac
    attempt removed "$path" rm -f -- "$path"
    folder_of "$path"
    on_disk "$folder"
}

# --- Names ---

# to_nothing FROM TO DONE: renames to where nothing is, and has the new name on disk.
to_nothing() {
    ! exists "$2" || stop $EX_TAKEN "there is something at $2 already"
    same_file_system "$1" "$2" "$3"
    attempt "$3" "$1" rename "$1" "$2"
    ! exists "$1" || stop $EX_TAKEN "there is something at $2 already"
    folder_of "$2"
    on_disk "$folder"
    folder_of "$1"
    on_disk "$folder"
}

# Never over something, and where the program can promise it, never by way of a copy: a system of layers, as containers
# have, may refuse to rename a folder of a lower one.
rename() {
    case $(mv --help 2>/dev/null) in
    *--no-copy*) mv -nT --no-copy -- "$1" "$2" ;;
    *) mv -nT -- "$1" "$2" ;;
    esac
}

# Nothing is moved between file systems: that would be a copy, which can be cut short.
same_file_system() {
    here=$(stat -c %d -- "$1" 2>&1) || blame "$3" "$1" "$here"
    folder_of "$2"
    there=$(stat -L -c %d -- "$folder" 2>&1) || blame "$3" "$1" "$there"
    from_real=$(readlink -f -- "${1%/*}/" 2>/dev/null)
    to_real=$(readlink -f -- "$folder" 2>/dev/null)
    mount_of "$from_real"
    from_mount=$mount
    mount_of "$to_real"
    if [ "$here" != "$there" ] || [ "$from_mount" != "$mount" ]; then
        stop $EX_ELSEWHERE "$1 and $2 are on different file systems, and nothing can be moved between them"
    fi
}

free_aside() {
    aside=$1.removed
    count=2
    while exists "$aside"; do
        aside=$1.removed-$count
        count=$((count + 1))
    done
}

set_aside() {
    to_nothing "$1" "$2" 'taken away'
}

remove() {
    take path "$1"
    take aside "$2"
    take backup "$3"
    IFS= read -r record
    kept_in "$backup"
    take earlier "$4"
    if [ "$earlier" != - ] && ! exists "$path" && exists "$earlier"; then
        return
    fi
    exists "$path" || stop $EX_ABSENT "there is nothing at $path"
    ! exists "$aside" || stop $EX_STALE "somebody else made $aside at the same time"
    if [ "$kept" != "$record" ]; then
        begin "$backup"
        complete "$backup" "$record"
    fi
    set_aside "$path" "$aside"
}

move() {
    take from "$1"
    take to "$2"
    exists "$from" || stop $EX_ABSENT "there is nothing at $from"
    to_nothing "$from" "$to" "moved to $to"
}

target_of() {
    target=$(readlink -n -- "$1" && echo .)
    target=${target%.}
}

# The path, made by `look_here`, must be a link or nothing.
link_only() {
    look_here "$1"
    case $kind in
    absent | link) ;;
    *) stop $EX_TAKEN "$1 is there and is no link" ;;
    esac
}

link() {
    take path "$1"
    take wanted "$2"
    take beside "$3"
    take was "$4"
    take backup "$5"
    IFS= read -r record
    link_only "$path"
    now=-
    if [ "$kind" = link ]; then
        target_of "$path"
        now=+$target
    fi
    [ "$now" = "$was" ] ||
        stop $EX_STALE "somebody else changed $path at the same time; it was left as they made it"
    if [ "$6" = yes ]; then
        begin "$backup"
        complete "$backup" "$record"
    fi
    turn
}

point() {
    take path "$1"
    take wanted "$2"
    take beside "$3"
    link_only "$path"
    turn
}

# Makes the link at `path` name `wanted`, at one stroke.
turn() {
    if [ "$kind" = link ]; then
        target_of "$path"
        [ "$target" != "$wanted" ] || return 0
    fi
    attempt linked "$path" away "$beside"
    litter=$beside
    attempt linked "$path" ln -s -- "$wanted" "$beside"
    attempt linked "$path" mv -fT -- "$beside" "$path"
    litter=
    folder_of "$path"
    on_disk "$folder"
}

# --- Folders ---

# copy FROM TO MARK: a copy that has the mark, on disk, or none.
copy() {
    odd=$(find "$1" \( -type s -o -type b -o -type c \) -print 2>/dev/null | head -n 1)
    [ -z "$odd" ] || stop $EX_NO_FILE "$odd is a socket or a device, which can't be copied"
    litter=$2
    attempt copied "$1" cp -aT -- "$1" "$2"
    tree_on_disk "$2"
    [ "$(mark_of "$2")" = "$3" ] || stop $EX_STALE "$1 changed while it was copied"
}

folder_only() {
    look_at "$1"
    case $kind in
    folder) ;;
    absent) stop $EX_ABSENT "there is nothing at $1" ;;
    *) stop $EX_NO_FILE "$1 is not a folder" ;;
    esac
}

copy_tree() {
    take from "$1"
    take to "$2"
    take beside "$3"
    ! exists "$to" || stop $EX_TAKEN "there is something at $to already"
    folder_only "$from"
    real_of "$from"
    from_real=$real
    folder_of "$to"
    look_at "$folder"
    [ "$kind" = folder ] || blame read "$folder" 'No such file or directory'
    real_of "$folder"
    case $real/ in
    "${from_real%/}"/*) stop $EX_FAILED "$to lies in $from, the folder that is copied" ;;
    esac
    attempt removed "$beside" away "$beside"
    copy "$from_real" "$beside" "$4"
    to_nothing "$beside" "$to" copied
    litter=
}

keep_tree() {
    take path "$1"
    take backup "$2"
    IFS= read -r record
    folder_only "$path"
    mark=$(mark_of "$path")
    kept_in "$backup"
    if [ "$kept" = "$record" ] && [ "$(mark_of "$backup/tree")" = "$mark" ]; then
        return
    fi
    begin "$backup"
    real_of "$path"
    copy "$real" "$backup/tree" "$mark"
    litter=
    complete "$backup" "$record"
}

restore_tree() {
    take path "$1"
    take real_then "$2"
    take beside "$3"
    take backup "$4"
    tree=$backup/tree
    [ -d "$tree" ] || stop $EX_FAILED "the backup $tree is gone"
    mark=$(mark_of "$tree")
    look_at "$path"
    real=$path
    case $kind in
    absent) ;;
    folder)
        [ "$(mark_of "$path")" != "$mark" ] || return 0
        real_of "$path"
        ;;
    *) stop $EX_NO_FILE "$path is not a folder" ;;
    esac
    [ "$real" = "$real_then" ] ||
        stop $EX_STALE "somebody else changed what $path is at the same time; it was left as they made it"
    was=$kind
    attempt removed "$beside" away "$beside"
    copy "$tree" "$beside" "$mark"
    if [ "$was" = folder ]; then
        free_aside "$beside"
        set_aside "$real" "$aside"
    fi
    to_nothing "$beside" "$real" 'put back'
    litter=
}

restore_aside() {
    take path "$1"
    take at "$2"
    if exists "$at"; then
        ! exists "$path" || stop $EX_TAKEN "there is something new at $path; the old one is $at"
        to_nothing "$at" "$path" 'put back'
    elif ! exists "$path"; then
        stop $EX_FAILED "$path is gone, and so is $at, where it was kept"
    fi
}

clear_away() {
    for argument; do
        take path "$argument"
        attempt removed "$path" away "$path"
    done
}

# --- Looks ---

show_path() {
    take path "$1"
    look_here "$path"
    part "$kind"
    if [ "$kind" = link ]; then
        readlink -n -- "$path" || blame read "$path" 'it is no link any more'
        part ''
    fi
}

show_file() {
    take path "$1"
    look_at "$path"
    if [ "$kind" = absent ]; then
        part absent
        return
    fi
    file_only "$path" "$kind"
    real_of "$path"
    part file
    show_content "$path" "$real" '' || return 0
}

LARGEST=$((64 << 20))

# show_content PATH REAL [all [IDENTITY]]: one that is too large is an error where all of it is needed.
show_content() {
    before=${4:-$(identity "$2")}
    size=${before#*:*:}
    size=${size%%:*}
    [ "$before" != gone ] || blame read "$1" 'No such file or directory'
    part "$size"
    if [ "$size" -le "$LARGEST" ]; then
        { said=$(cat -- "$2" 2>&1 >&3) || blame read "$1" "$said"; } 3>&1
    elif [ -n "$3" ]; then
        stop $EX_FAILED "$1 is larger than 64 MiB, the most that is edited"
    fi
    if [ "$(identity "$2")" != "$before" ]; then
        printf '\0changed'
        return 1
    fi
    printf '\0same'
}

show_digest() {
    take path "$1"
    look_at "$path"
    if [ "$kind" = absent ]; then
        part absent
        return
    fi
    file_only "$path" "$kind"
    part file
    hash_of "$path"
    part "$hash"
}

show_kept() {
    take backup "$1"
    kept_in "$backup"
    part "$kept"
    follow=
    case $kept in
    *'],"kept":{"file":'*)
        follow=yes
        look_here "$backup/content"
        portrait "$backup/content"
        ;;
    *'],"kept":"tree"}')
        look_here "$backup/tree"
        portrait "$backup/tree"
        ;;
    *) part absent ;;
    esac
    [ $# -gt 1 ] || return 0
    take path "$2"
    if [ -n "$follow" ]; then
        look_at "$path"
    else
        look_here "$path"
    fi
    portrait "$path"
}

show_portraits() {
    for argument; do
        take path "$argument"
        look_here "$path"
        portrait "$path"
    done
}

survey() {
    take path "$1"
    take backup "$2"
    how=${3:-}
    look_at "$path"
    if [ "$how" = here ] && [ -L "$path" ]; then
        kind=link
    fi
    case $kind/$how in
    absent/* | folder/any | link/here) ;;
    *) file_only "$path" "$kind" ;;
    esac
    kept_in "$backup"
    part "$kind"
    part "$kept"
    case $kind in
    file) real_of "$path" ;;
    folder)
        real_of "$path"
        part "$real"
        return
        ;;
    *) return ;;
    esac
    both=$(stat -c "$IDENTITY/%a %u %g %.9X %.9Y" -- "$real" 2>&1) || blame read "$path" "$both"
    seen=${both%/*} numbers=${both##*/}
    stays=
    ! must_stay "$real" "$seen" || stays=stays
    part "$seen"
    part "$real"
    part "$numbers"
    part "$stays"
    extended "$real"
    part ''
    if [ "$how" = content ]; then
        show_content "$path" "$real" all "$seen"
    else
        part 0
        printf '\0same'
        [ "$(identity "$real")" = "$seen" ]
    fi || stop $EX_STALE "somebody else changed $path at the same time; it was left as they made it"
}

show_aside() {
    take path "$1"
    take beside "$2"
    take backup "$3"
    show_path "$1"
    [ "$kind" = link ] || part ''
    kept_in "$backup"
    part "$kept"
    free_aside "$beside"
    part "$aside"
}

show_record() {
    take backup "$1"
    kept_in "$backup"
    part "$kept"
}

show_tree() {
    take path "$1"
    look_at "$path"
    if [ "$kind" != absent ]; then
        folder_only "$path"
    fi
    portrait "$path"
}

leftovers() {
    take folder "$1"
    exists "$folder" || return 0
    part here
    for entry in "$folder"/backups/* "$folder"/backups/.[!.]*; do
        if [ -e "$entry/kept.json" ]; then
            kept_in "$entry"
            part "$kept"
        fi
    done
}

weigh() {
    for argument; do
        take path "$argument"
        exists "$path" || continue
        sizes=$(find "$path" ! -type d -exec stat -c %s -- {} + 2>/dev/null)
        sum=0
        for size in $sizes; do
            sum=$((sum + size))
        done
        part "$sum"
        part "$path"
    done
}

hashes=sha256sum
# These look at names alone, and nodes that have but b2sum shall be able to do them.
case $1 in path | record | leftovers | weigh | clear) hashes= ;; esac
for tool in stat readlink find xargs sort $hashes head od cat cp mv rm ln mkdir chmod chown touch sync cmp dd truncate; do
    command -v "$tool" >/dev/null || stop $EX_FAILED "the node has no program \`$tool\`, which is needed for work on files"
done
verb=$1
shift
case $verb in
path) show_path "$@" ;;
read) show_file "$@" ;;
digest) show_digest "$@" ;;
portrait) show_portraits "$@" ;;
kept) show_kept "$@" ;;
record) show_record "$@" ;;
tree) show_tree "$@" ;;
survey) survey "$@" ;;
aside) show_aside "$@" ;;
leftovers) leftovers "$@" ;;
weigh) weigh "$@" ;;
put) put "$@" ;;
take-away) take_away "$@" ;;
keep-file) keep_file "$@" ;;
keep-tree) keep_tree "$@" ;;
link) link "$@" ;;
point) point "$@" ;;
remove) remove "$@" ;;
move) move "$@" ;;
copy-tree) copy_tree "$@" ;;
restore-tree) restore_tree "$@" ;;
restore-aside) restore_aside "$@" ;;
clear) clear_away "$@" ;;
*) stop $EX_FAILED "there is no verb $verb" ;;
esac
