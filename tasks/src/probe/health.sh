# Answers how a host is, a line each that begins with a word. Nothing is written, fetched or started.

prov_health_system() {
  read -r up rest </proc/uptime && echo "uptime ${up%.*}"
  read -r one five fifteen rest </proc/loadavg && echo "load $one $five $fifteen"
  echo "processors $(nproc)"
  echo "now $(date +%s)"
  echo "kernel $(uname -r)"
  awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { print "memory " total " " $2 }' /proc/meminfo
  # Files that a container has of its machine are mounts, too.
  df -lk --output=fstype,size,used,avail,itotal,iavail,target -x devtmpfs -x squashfs -x efivarfs -x ramfs -x iso9660 2>/dev/null | {
    read -r heading
    while read -r type size used free inodes unused target; do
      [ ! -d "$target" ] || echo "disk $type $size $used $free $inodes $unused $target"; done; }
}

# Lists are taken as they are: to fetch them is another's business.
prov_health_updates() {
  for file in /var/lib/apt/lists/*Packages*; do
    [ ! -e "$file" ] || echo "lists $(stat -c %Y /var/lib/apt/lists /var/cache/apt/pkgcache.bin 2>/dev/null | sort -n | tail -n 1)"
    break
  done
  prov_simulate() { apt-get $caches -s -q -y -o Dir::Log::Planner=/dev/null -o Debug::NoLocking=true upgrade --with-new-pkgs </dev/null 2>&1; }
  prov_apt prov_simulate
  printf '%s\n' "$answer" | sed -n 's/^Inst /pending /p; s/^E: /problem /p'
  if dpkg --audit 2>/dev/null | grep -q .; then echo interrupted; fi
  if prov_wants_reboot; then echo reboot; fi
}

# Units that are asked for, and then those that have failed.
prov_health_units() {
  [ "$init" = systemd ] || return 0
  set -- "$@" $(systemctl list-units --all --state=failed --plain --no-legend --no-pager | awk '{ print $1 }')
  [ $# = 0 ] || systemctl show --property=Id,LoadState,ActiveState,SubState,Type,RemainAfterExit,StateChangeTimestampMonotonic -- "$@" 2>/dev/null
}

prov_health_certificates() {
  for file in "$@" /etc/letsencrypt/live/*/cert.pem; do
    case $file in (*'*'*) [ -e "$file" ] || continue;; esac
    if [ ! -e "$file" ]; then echo "certificate missing $file"; continue; fi
    ends=$(openssl x509 -noout -enddate -in "$file" 2>/dev/null) && ends=$(date -d "${ends#notAfter=}" +%s) || ends=unreadable
    echo "certificate $ends $file"
  done
}

# Says when each job last ended well, and when it last did not. A job that waits or runs counts for neither.
prov_health_backups() { # file of options for the client, database
  if said=$(mariadb --defaults-file="$1" --connect-timeout=5 --batch --skip-column-names --execute="SELECT Name, IFNULL(MAX(IF(JobStatus IN ('T', 'W'), JobTDate, 0)), 0), IFNULL(MAX(IF(JobStatus IN ('E', 'e', 'f', 'A', 'B'), JobTDate, 0)), 0) FROM Job WHERE Type = 'B' GROUP BY Name" "$2" 2>&1); then
    echo catalogue; [ -z "$said" ] || printf '%s\n' "$said" | sed 's/^/backup /'
  else printf '%s\n' "$said" | head -n 1 | sed 's/^/uncatalogued /'; fi
}
