# What every session that changes a host knows of a change that nobody has confirmed: see lockout.sh.

guard=$prov_state/guard
# What must be written when a disk is full is in memory.
clock=/run/prov.guard
prov_guard_born() { # process; when it began, which tells it from a later one of its number
  began=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20) && [ -n "$began" ]; }
prov_guard_lives() { # file with a process and when it began
  read -r process born 2>/dev/null <"$1" && prov_guard_born "$process" && [ "$began" = "$born" ]; }
prov_guard_await() { # seconds; waits for what is not confirmed, and has it put back where the host forgot to
  waited=0
  while [ -d "$guard" ]; do
    if ! prov_guard_lives "$clock/process" && [ -e "$guard/rollback" ]; then
      /bin/sh "$guard/rollback" now >/dev/null 2>&1 </dev/null 9>&-; [ -d "$guard" ] || break; fi
    [ $waited -lt "$1" ] || return 1
    sleep 1; waited=$((waited + 1)); done; }
