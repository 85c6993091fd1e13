# Runs the command lines of $1 so that nothing but the host's own end stops them: a connection that breaks, or an SSH server
# that no longer takes new ones while its programs are replaced, must not leave the host in between.
state=/var/lib/prov
mkdir -p -m 0700 "$state"
# The package of Bacula's director asks whether there is space for new tables, takes no answer beforehand, and refuses where
# nobody can be asked, unless it is being tested.
if dpkg-query -W 'bacula-director-*' >/dev/null 2>&1; then export PIUPARTS_PHASE=upgrade; fi
setsid sh -c 'eval "$1"; code=$?
if [ -d /run/systemd/system ]; then systemctl try-restart ssh; fi
# In a container the packages are not let near the supervisor: it does for them what they do on a server. What does not start
# waits for the configuration that its role has for the new release.
# (Root may not see there which programs other accounts run: the age of a program tells.)
for service in /run/service/*; do
  pid=$(cat "$service/supervise/pid" 2>/dev/null) && [ "$pid" ] || continue
  program=$(tr "\0" "\n" <"/proc/$pid/cmdline" | head -n 1)
  case $program in (/*) ;; (*) program=$(readlink "/proc/$pid/exe" | sed "s/ (deleted)//");; esac
  started=$(($(date +%s) - $(ps -o etimes= -p "$pid")))
  if [ -e "$program" ] && [ "$(stat -Lc %Z "$program")" -gt "$started" ]; then sv -w 30 restart "${service##*/}"; fi
done
exit $code' sh "$1" >"$state/upgrade.log" 2>&1 </dev/null &
echo $! >/run/prov-upgrade.pid
wait $!
code=$?
cat "$state/upgrade.log"
rm -f /run/prov-upgrade.pid "$state/upgrade.log"
exit $code
