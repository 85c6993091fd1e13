# Runs the command lines of $1 so that nothing but the host's own end stops them: a connection that breaks, or an SSH server
# that no longer takes new ones while its programs are replaced, must not leave the host in between. $2 goes on with packages
# that are left in between, where those of another release may be.
state=/var/lib/prov
mkdir -p -m 0700 "$state"
# The package of Bacula's director asks whether there is space for new tables, takes no answer beforehand, and refuses where
# nobody can be asked, unless it is being tested.
if dpkg-query -W 'bacula-director-*' >/dev/null 2>&1; then export PIUPARTS_PHASE=upgrade; fi
setsid sh -c 'run=/run/prov-upgrade policy=/usr/sbin/policy-rc.d
echo $$ >$run.pid
[ ! -d /run/systemd/system ] || [ -e $run.ran ] || systemctl list-units --plain --no-legend --type=service --state=running | sed "s/ .*//" >$run.ran

# A daemon that does not start with the configuration of the release before must not keep its package from being installed: it
# waits for the configuration that its role has for the new one. What asks whether a daemon may be started is answered by a
# file (invoke-rc.d(8)); one of somebody else has its say before. Once the upgrade has ended, the file says nothing.
let_wait() {
  [ -d /run/systemd/system ] || return
  known=$(cat $run.waiting 2>/dev/null)
  systemctl list-units --plain --no-legend --type=service --state=failed --state=auto-restart | sed "s/[.]service .*//" >$run.waiting
  printf "%s\n" "$known" >>$run.waiting
  sort -u -o $run.waiting $run.waiting; sed -i "/^$/d" $run.waiting
  [ "$known" != "$(cat $run.waiting)" ] || return
  echo "These daemons wait for another configuration:" $(cat $run.waiting)
  [ ! -e $policy ] || [ -e $policy.before-prov ] || cp -a $policy $policy.before-prov
  cat >$policy.prov <<-"END"
	#!/bin/sh
	# Of prov, for the time of an upgrade to another release; it goes with that.
	if [ -x /usr/sbin/policy-rc.d.before-prov ]; then /usr/sbin/policy-rc.d.before-prov "$@" || exit; fi
	case $2 in (*start*|*reload*) ;; (*) exit 0;; esac
	read -r pid </run/prov-upgrade.pid && kill -0 "$pid" && grep -qxF "${1%.service}" /run/prov-upgrade.waiting && exit 101
	exit 0
	END
  chmod 755 $policy.prov && mv $policy.prov $policy
}
eval "$1"; code=$?
while [ $code != 0 ] && [ "$2" ] && let_wait; do
  dpkg --configure -a --force-confold
  eval "$2" && eval "$1"; code=$?
done
rm -f $run.waiting $policy.prov
if grep -qs "^# Of prov," $policy; then
  if [ -e $policy.before-prov ]; then mv $policy.before-prov $policy; else rm $policy; fi
fi
if [ $code = 0 ] && [ -e $run.ran ]; then
  # What ran before has to run again.
  for unit in $(cat $run.ran); do
    case $(systemctl is-enabled "$unit" 2>/dev/null) in (enabled*) systemctl is-active --quiet "$unit" || echo "$unit";; esac
  done >$run.rest
  mv $run.rest $run.ran; [ -s $run.ran ] || rm $run.ran
fi
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
# Nobody is left to read the log where the session was killed.
kill -0 "$3" 2>/dev/null || rm -f $run.pid "$4"
exit $code' sh "$1" "$2" $$ "$state/upgrade.log" >"$state/upgrade.log" 2>&1 </dev/null &
echo $! >/run/prov-upgrade.pid
wait $!
code=$?
cat "$state/upgrade.log"
rm -f /run/prov-upgrade.pid "$state/upgrade.log"
exit $code
