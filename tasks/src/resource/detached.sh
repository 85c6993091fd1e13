# Runs the command lines of $1 so that nothing but the host's own end stops them: a connection that breaks, or an SSH server
# that no longer takes new ones while its programs are replaced, must not leave the host in between.
state=/var/lib/prov
mkdir -p -m 0700 "$state"
setsid sh -c 'eval "$1"; code=$?
if [ -d /run/systemd/system ]; then systemctl try-restart ssh; fi
# In a container the packages are not let near the supervisor: it does for them what they do on a server. What does not start
# waits for the configuration that its role has for the new release.
for service in /run/service/*; do
  case $(readlink "/proc/$(cat "$service/supervise/pid" 2>/dev/null)/exe") in (*" (deleted)") sv -w 30 restart "${service##*/}";; esac
done
exit $code' sh "$1" >"$state/upgrade.log" 2>&1 </dev/null &
echo $! >/run/prov-upgrade.pid
wait $!
code=$?
cat "$state/upgrade.log"
rm -f /run/prov-upgrade.pid "$state/upgrade.log"
exit $code
