# Prints what services have said: lines of the journal after `j` and a tab, lines of files after `f:FILE` and a tab.
# Begins with: follow=yes or nothing, tail=N or all, since=TIME or nothing; the time is the host's own.

prov_journal() { # options that name units
  [ -d /run/systemd/system ] || return 0
  journalctl -q --no-pager --no-hostname -o short-iso -n "$tail" ${since:+"--since=$since"} ${follow:+-f} "$@" 2>/dev/null | sed -u 's/^/j	/'
}

# Passes lines from a time on. Which time a line has is known by the forms that daemons of Debian write; a line without
# one belongs to the line before it.
prov_from() {
  awk -v since="$since" -v year="$(date +%Y)" -v now="$(date +%Y%m%d%H%M%S)" '
    BEGIN { split("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", names, " ")
      for (i = 1; i <= 12; i++) month[names[i]] = sprintf("%02d", i)
      gsub(/[^0-9]/, "", since); while (length(since) < 14) since = since "0" }
    function clock(text) { gsub(/ /, "0", text); gsub(/[^0-9]/, "", text); return text }
    { begin = substr($0, 1, 160); at = ""
      if (match(begin, /[0-9][0-9][0-9][0-9][-\/][0-9][0-9][-\/][0-9][0-9][ T][ 0-9][0-9]:[0-9][0-9]:[0-9][0-9]/)) {
        at = clock(substr(begin, RSTART, 10)) clock(substr(begin, RSTART + 11, 8)) }
      else if (match(begin, /[0-9][0-9]\/[A-Z][a-z][a-z]\/[0-9][0-9][0-9][0-9]:[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/)) {
        at = substr(begin, RSTART + 7, 4) month[substr(begin, RSTART + 3, 3)] substr(begin, RSTART, 2) clock(substr(begin, RSTART + 12, 8)) }
      else if (match(begin, /[A-Z][a-z][a-z] [ 0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9][.0-9]* [0-9][0-9][0-9][0-9]/)) {
        at = substr(begin, RSTART + RLENGTH - 4, 4) month[substr(begin, RSTART, 3)] clock(substr(begin, RSTART + 4, 2)) clock(substr(begin, RSTART + 7, 8)) }
      else if (match(begin, /^[0-9][0-9]-[A-Z][a-z][a-z] [0-9][0-9]:[0-9][0-9]/)) {
        rest = month[substr(begin, 4, 3)] substr(begin, 1, 2) clock(substr(begin, 8, 5)) "00"
        at = year rest; if (at "" > now "") at = (year - 1) rest }
      if (at != "") passes = (at "" >= since "")
      if (passes) print }'
}

prov_log_file() { # file
  label=$(printf %s "$1" | tr -c 'A-Za-z0-9._/+@-' '?')
  first="-n $tail"; [ "$tail" != all ] || first='-n +1'
  {
    if [ "$since" ]; then
      # Lines that come meanwhile are those of the second part.
      lines=$(wc -l <"$1")
      head -n "$lines" -- "$1" | prov_from | tail $first
      [ -z "$follow" ] || exec tail -n "+$((lines + 1))" -F -- "$1"
    else exec tail $first ${follow:+-F} -- "$1"; fi
  } 2>/dev/null | sed -u "s|^|f:$label	|"
}
