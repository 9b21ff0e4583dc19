# Sourced by the scripts of this folder and by singleuser_image/build: how they speak, and how they run long steps.
# A script sets `topic` (the word before the colon) before it sources this file.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$(cd "$repository" && realpath -m -- "${P2M_STATE:-.p2m}")
readonly repository state

say() { printf '==> %s: %s\n' "${topic:?}" "$1"; }

# One sentence that says what is wrong and how to mend it, then the end.
fail() {
    printf '==> %s: %s\n' "$topic" "$1" >&2
    exit 1
}

# Where the output of long steps goes: log_file NAME sets `log`.
log_file() {
    log=$state/logs/$1
    if ! { mkdir -p "$state/logs" && echo "$1, $(date)" >"$log"; } 2>/dev/null; then
        fail "cannot write $log; free some disk space, or set P2M_STATE to a directory you can write to."
    fi
}

is_root() { [ "$(id -u)" = 0 ]; }

is_debian() { command -v apt-get >/dev/null && [ -e /etc/debian_version ]; }

free_megabytes() { df -Pm -- "$1" | awk 'NR == 2 { print $4 }'; }

# run_step TITLE COMMAND… runs the command with its output in $log. What goes on is shown as it goes: the elapsed time
# and the command's latest line, in place on a terminal, every ten seconds elsewhere. Lines of the log that match
# $step_pattern are shown for good. Answers the command's exit status.
run_step() {
    local title=$1 status=0 start_line
    shift
    start_line=$(($(wc -l <"$log") + 1))
    say "$title"
    "$@" >>"$log" 2>&1 </dev/null &
    local command_pid=$!
    show_progress "$command_pid" "$start_line" &
    local progress_pid=$!
    # shellcheck disable=SC2064  # the process ids of now are meant
    trap "kill $progress_pid $command_pid 2>/dev/null || true; wait $command_pid 2>/dev/null || true; exit 130" INT TERM HUP
    # The builtin `wait` is what a signal ends for sure: while bash waits for a program that ends by itself in the same
    # moment, it forgets the Ctrl-C.
    wait "$command_pid" || status=$?
    wait "$progress_pid" || true
    trap - INT TERM HUP
    return "$status"
}

# What a command that writes to $log from line START_LINE on is doing, until it has ended.
show_progress() {
    local command_pid=$1 start_line=$2 began=$SECONDS shown=0 next=10 line width running
    width=$((${COLUMNS:-$(tput cols 2>/dev/null || echo 100)} - 12))
    while true; do
        running=true
        kill -0 "$command_pid" 2>/dev/null || running=false
        if [ -n "${step_pattern:-}" ]; then
            local steps
            steps=$(tail -n "+$start_line" "$log" | grep -aE "$step_pattern" | tail -n "+$((shown + 1))" || true)
            while IFS= read -r line; do
                [ -n "$line" ] || continue
                clear_line
                printf '    %4d s  %.*s\n' $((SECONDS - began)) "$width" "$line"
                shown=$((shown + 1))
            done <<<"$steps"
        fi
        $running || break
        line=$(tail -n "+$start_line" "$log" | tail -c 2000 | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[a-zA-Z]//g' |
            grep -av '^[[:space:]]*$' | tail -n 1 || true)
        if [ -t 1 ]; then
            printf '\r\033[K    %4d s  %.*s' $((SECONDS - began)) "$width" "$line"
        elif [ $((SECONDS - began)) -ge "$next" ]; then
            printf '    %4d s  %.*s\n' $((SECONDS - began)) "$width" "$line"
            next=$((SECONDS - began + 10))
        fi
        sleep 0.3
    done
    clear_line
}

clear_line() { if [ -t 1 ]; then printf '\r\033[K'; fi; }

# The end of a long step that failed: the sentence, the log's last lines, where the rest is.
fail_with_log() {
    {
        printf '==> %s: %s\n' "$topic" "$1"
        tail -n 15 "$log" | sed 's/^/    /'
        printf '    The whole log: %s\n' "$log"
    } >&2
    exit 1
}

# read_package_lists and install_packages PACKAGE… use apt; the caller has made sure of root and Debian, and set `log`.
read_package_lists() {
    run_step "reading Debian's package lists" apt-get update ||
        fail_with_log "apt-get update failed; check the network and /etc/apt/sources.list."
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    if [ -n "$(dpkg --audit)" ]; then
        run_step "finishing an interrupted installation" dpkg --configure -a ||
            fail_with_log "dpkg could not finish an interrupted installation; mend what the lines below say."
    fi
    run_step "installing $*" apt-get install -y --no-install-recommends "$@" ||
        fail_with_log "apt-get could not install $*; mend what the lines below say and run the command again."
}
