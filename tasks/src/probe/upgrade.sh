# prov_upgrade NUMBER RELEASE NAMES: answers what an upgrade of the host's packages would do. RELEASE is the release
# to go to, or nothing; NAMES are those of earlier releases in apt's sources, as alternatives of a regular expression.
# Nothing is written but into a folder in memory: sources, lists, and apt's settings without the commands of others.
prov_upgrade() {
  for left in /dev/shm/prov.?????????? /run/prov.??????????; do # by a session that was killed
    [ -O "$left" ] && [ ! -L "$left" ] && [ -f "$left/process" ] && ! kill -0 "$(cat "$left/process")" 2>/dev/null && rm -rf -- "$left"
  done
  room=$(mktemp -d -p /dev/shm prov.XXXXXXXXXX 2>/dev/null || mktemp -d -p /run prov.XXXXXXXXXX) || return
  ( trap 'rm -rf "$room"' EXIT; sh -c 'echo $PPID' >"$room/process"; prov_upgrade_in "$@" )
}

# Writes a list of sources (sources.list(5), in both forms) or preferences (apt_preferences(5)) for another release.
prov_next_release() { # file, release, names
  case $1 in
  (*.sources) awk -v new="$2" -v old="^($3)(-[A-Za-z-]+)?/?\$" '
    tolower($0) ~ /^suites:/ { inside = 1 }
    /^[^ \t#]/ && tolower($0) !~ /^suites:/ { inside = 0 }
    !inside || /^#/ { print; next }
    { rest = $0; line = ""
      while (match(rest, /[^ \t:]+/)) {
        start = RSTART; long = RLENGTH; word = substr(rest, start, long)
        if (word ~ old) { sub(/^[a-z]+/, new, word) }
        line = line substr(rest, 1, start - 1) word; rest = substr(rest, start + long) }
      print line rest }' "$1";;
  (*preferences*) sed -E "s/((^|[ ,])[na]=)($3)(-[A-Za-z-]+)?([ ,]|\$)/\\1$2\\4\\5/g" "$1";;
  (*) sed -E "s#^([ \\t]*deb(-src)?[ \\t]+(\\[[^]]*\\][ \\t]+)?[^][ \\t]+[ \\t]+)($3)((-[A-Za-z-]+)?/?([ \\t]|\$))#\\1$2\\5#" "$1";;
  esac
}

prov_upgrade_apt() { TMPDIR=$room/tmp APT_CONFIG=$room/apt.conf apt-get -q -o Debug::NoLocking=true "$@" </dev/null 2>&1; }

# Fetches package lists into the folder, and says why not.
prov_upgrade_fetch() {
  said=$(prov_upgrade_apt update -o APT::Update::Error-Mode=any) && return
  printf '%s\n' "$said" | grep '^[EW]: '
  return 1
}

prov_upgrade_in() {
  number=$1 to=$2 names=$3 changed=
  chmod 755 "$room"; mkdir -p "$room/etc/sources.list.d" "$room/etc/preferences.d" "$room/lists/partial" "$room/archives/partial" "$room/tmp"
  # Apt fetches as an account of its own.
  chmod 1777 "$room/tmp"
  chown _apt "$room/lists/partial" 2>/dev/null
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/apt/preferences /etc/apt/preferences.d/*; do
    [ -f "$file" ] || continue
    there=$room/etc/${file#/etc/apt/}
    if [ "$to" ] && prov_next_release "$file" "$to" "$names" >"$there" && ! cmp -s "$file" "$there"; then changed="$changed $there"
    else cat "$file" >"$there"; fi
  done
  # What others run around a fetch would act upon the host.
  apt-config dump | grep -Eiv '^(APT::Update::(Pre|Post)-Invoke|DPkg::(Pre|Post)-|Dir::Etc::(Parts|Main|SourceList|SourceParts|Preferences|PreferencesParts)|Dir::Log::Planner|Dir::Cache::(src)?pkgcache|Acquire::(GzipIndexes|Languages|IndexTargets::[a-z-]*::(Contents|DEP)))' >"$room/apt.conf"
  cat >>"$room/apt.conf" <<-END
	Dir::Etc::Parts "/dev/null"; Dir::Etc::Main "/dev/null"; Dir::Log::Planner "/dev/null"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
	Dir::Etc::SourceList "$room/etc/sources.list"; Dir::Etc::SourceParts "$room/etc/sources.list.d";
	Dir::Etc::Preferences "$room/etc/preferences"; Dir::Etc::PreferencesParts "$room/etc/preferences.d";
	Dir::Cache::Archives "$room/archives"; Acquire::GzipIndexes "true"; Acquire::Languages "none";
	END
  fresh=
  for file in /var/lib/apt/lists/*Packages*; do
    [ ! -e "$file" ] || fresh=$(find /var/lib/apt/lists /var/cache/apt/pkgcache.bin -maxdepth 0 -mmin -1440 2>/dev/null | head -n 1)
    break
  done
  [ -z "$fresh" ] || [ -z "$(find /etc/apt/sources.list /etc/apt/sources.list.d -newer "$fresh" 2>/dev/null | head -n 1)" ] || fresh=
  prov_answer "upgrade:$number"
  if [ "$changed" ] || [ -z "$fresh" ]; then
    printf 'Dir::State::Lists "%s";\n' "$room/lists" >>"$room/apt.conf"
    echo fetched
    if ! said=$(prov_upgrade_fetch); then
      # Somebody else's archive without the new release stays as it is.
      back=
      for there in $changed; do
        for address in $(printf '%s\n' "$said" | sed -n "s/^E: The repository '\\([^ ']*\\) .* Release' .*/\\1/p; s,^E: Failed to fetch \\([^ ]*\\)/dists/.* \\(404\\|File not found\\).*,\\1,p"); do
          if grep -qF -- "${address%/}" "$there"; then
            echo "stays /etc/apt/${there#"$room/etc/"}"; back="$back $there"; cat "/etc/apt/${there#"$room/etc/"}" >"$there"; break
          fi
        done
      done
      [ -z "$back" ] || said=$(prov_upgrade_fetch) || back=
      [ "$back" ] || printf '%s\n' "$said" | sed -n 's/^[EW]: /problem /p' | head -n 4
    fi
  fi
  case $to in (?*) how=full-upgrade;; (*) how='upgrade --with-new-pkgs';; esac
  prov_upgrade_apt -s -y $how | sed -En '/^(Inst|Remv|Purg|E:) /p; /^The following packages have been kept back:/,/^[^ ]/s/^  /kept /p'
  prov_upgrade_apt --assume-no --download-only $how | sed -En 's/^(Need to get|After this operation,) /space \1 /p'
  df -Pk /var/cache/apt/archives | awk 'NR == 2 { print "free " $4 }'
  dpkg --get-selections | awk '$2 == "hold" { print "held " $1 }'
  dpkg --audit | grep -q . && echo interrupted
  if prov_wants_reboot; then echo reboot; fi
  [ -z "$to" ] || dpkg-query -W -f='${Conffiles}\n' | awk 'NF == 2 && $2 !~ /[^0-9a-f]/ { print $2 "  " $1 }' | md5sum -c --quiet 2>/dev/null | sed -n 's/: FAILED$//; s/^/edited /p'
  at=0
  for there in $changed; do
    file=/etc/apt/${there#"$room/etc/"}
    cmp -s "$file" "$there" || { stat -Lc "source $at %U %G %a" "$file"; sha256sum <"$file" | sed 's/ .*//; s/^/digest /'; printf 'path %s\n' "$file"; at=$((at + 1)); }
  done
  prov_complete
  at=0
  for there in $changed; do
    file=/etc/apt/${there#"$room/etc/"}
    cmp -s "$file" "$there" || { prov_answer "upgrade:$number:old:$at"; cat "$file"; prov_complete; prov_answer "upgrade:$number:new:$at"; cat "$there"; prov_complete; at=$((at + 1)); }
  done
}
