//! What takes the place of a word of Ansible's that has no namesake: in sentences, as several things may do.

/// Words beside tasks, and modules, each with what is done here.
pub(super) const ADVICE: &[(&str, &str)] = &[
    // Beside a task.
    ("always", ALL_OR_NOTHING),
    (
        "args",
        "write the fields within the resource, such as `command: {argv: [make], chdir: /srv, creates: /srv/out}`",
    ),
    ("async", "each resource is waited for"),
    ("become", ROOT),
    ("become_method", ROOT),
    ("become_user", ROOT),
    (
        "changed_when",
        "resources find out themselves what must change; a `command` says it by 'creates', 'removes', 'unless' or 'only_if'",
    ),
    ("check_mode", "`prov diff` previews everything"),
    ("delay", RETRIES),
    ("delegate_facts", FACTS),
    ("delegate_to", ELSEWHERE),
    (
        "diff",
        "leave it out: what a secret goes into is never shown",
    ),
    (
        "environment",
        "only a `command` takes it, as a field: `env: {NAME: value}`",
    ),
    ("failed_when", FAILURE),
    ("ignore_errors", FAILURE),
    ("ignore_unreachable", FAILURE),
    (
        "listen",
        "handlers are called by their names: list several in 'notify'",
    ),
    ("local_action", ELSEWHERE),
    (
        "loop_control",
        "leave it out: what 'each' goes through is called 'item', of a map also 'key' and 'value'",
    ),
    (
        "name",
        "resources have no titles: write a comment above it, as in `# what it is for`",
    ),
    (
        "no_log",
        "leave it out: a variable of the type 'secret' is masked wherever it would be shown",
    ),
    ("poll", "each resource is waited for"),
    ("register", FACTS),
    ("rescue", ALL_OR_NOTHING),
    ("retries", RETRIES),
    ("run_once", ELSEWHERE),
    (
        "tags",
        "leave it out: `prov apply --limit ROLE` works on the hosts of a role",
    ),
    ("until", RETRIES),
    (
        "vars",
        "variables have defaults in 'variables' of role.yml, and values in hosts/HOST.yml and groups/GROUP.yml",
    ),
    (
        "with_fileglob",
        "a `tree` brings a folder with all its files",
    ),
    // Modules.
    ("add_host", "hosts stand in estate.yml"),
    (
        "assemble",
        "several files in a folder ending with .d, or one `file` by a template",
    ),
    (
        "assert",
        "types of variables refuse wrong values: 'variables' of role.yml gives them",
    ),
    ("async_status", "each resource is waited for"),
    (
        "debug",
        "`prov diff` shows what every host would get; `prov template show NAME` shows a template",
    ),
    ("expect", "a `command` takes what it reads by 'stdin'"),
    (
        "fail",
        "types of variables refuse wrong values: 'variables' of role.yml gives them",
    ),
    ("fetch", "`prov run HOST -- cat FILE` shows a file"),
    ("find", FACTS),
    ("gem", "a package of Debian, or a `command` with 'creates'"),
    ("group_by", "groups stand in estate.yml"),
    ("import_playbook", INCLUDE),
    ("import_role", INCLUDE),
    ("import_tasks", INCLUDE),
    ("include", INCLUDE),
    ("include_role", INCLUDE),
    ("include_tasks", INCLUDE),
    ("include_vars", FACTS),
    (
        "ini_file",
        "a `line` with 'regexp', a `block`, or a whole `file`",
    ),
    ("meta", "handlers run once all resources of a host are done"),
    ("npm", "a `command` with 'creates'"),
    ("pause", "a `check` waits: 'within' says how long"),
    ("ping", "`prov status` says which hosts answer"),
    (
        "pip",
        "the package of Debian, as in `packages: {names: [python3-NAME]}`, or a `command` with 'creates'",
    ),
    ("reboot", "`prov apply --reboot` boots a host that wants it"),
    ("set_fact", FACTS),
    ("setup", FACTS),
    ("slurp", FACTS),
    ("stat", FACTS),
    (
        "tempfile",
        "a `command` of its own that does all with it, such as `[sh, -c, …]`",
    ),
    (
        "uri",
        "ask for it in 'checks' of the role, as in `- http: {url: 'http://{{ host.name }}/', status: 200}`",
    ),
    (
        "wait_for",
        "ask for it in 'checks' of the role, as in `- tcp: {port: 80}`; 'within' says how long",
    ),
    ("wait_for_connection", "prov waits for a host that it boots"),
];

/// Words of plays, of what describes a role, and of inventories.
pub(super) const PLAYS: &[(&str, &str)] = &[
    (
        "children",
        "list hosts by groups in estate.yml, as in `groups: {web: [web1, web2]}`",
    ),
    (
        "collections",
        "leave it out: all resources are part of prov",
    ),
    (
        "dependencies",
        "'after' names the roles that come before it; hosts get each of them in estate.yml, by `roles`",
    ),
    (
        "gather_facts",
        "leave it out: prov asks hosts for what a plan needs, and for nothing else",
    ),
    (
        "hosts",
        "`roles` in estate.yml says which hosts have a role; 'only' names those of one resource",
    ),
    (
        "max_fail_percentage",
        "say it with `prov apply --max-fail N`",
    ),
    ("post_tasks", "write them last in 'resources'"),
    ("pre_tasks", "write them first in 'resources'"),
    ("remote_user", CONNECTION),
    ("serial", "say it with `prov apply --serial N`"),
    (
        "strategy",
        "leave it out: hosts are worked on at the same time",
    ),
    (
        "ungrouped",
        "all hosts stand in `hosts` of estate.yml, whatever groups they are in",
    ),
    (
        "vars_files",
        "variables of hosts stand in hosts/HOST.yml, of groups in groups/GROUP.yml",
    ),
    (
        "vars_prompt",
        "`--set NAME=VALUE` sets a variable for one run",
    ),
];

const ALL_OR_NOTHING: &str = "where a resource fails, its host stops there and the next run goes on; a handler with 'validate' puts files back that are refused";

pub(super) const CONNECTION: &str =
    "say it in estate.yml, as in `connection: {user: admin, sudo: password}`";

const ELSEWHERE: &str = "'only' names the hosts that have a resource, as in `only: db1`; `variable(host=…, name=…)` knows what the inventory says of another";

pub(super) const FACTS: &str = "what a host says never becomes a variable: 'creates', 'unless' and 'only_if' of a `command` look there, and the variables of a role have defaults";

const FAILURE: &str = "whatever fails stops its host; where a command may fail, say so to a shell: `argv: [sh, -c, 'PROGRAM || true']`";

const INCLUDE: &str = "resources stand in role.yml itself; hosts get several roles by `roles` in estate.yml, and 'after' puts them in order";

const RETRIES: &str = "a check is made again until it holds, for as long as its 'within' says; a `command` may loop within `[sh, -c, …]`";

const ROOT: &str = "leave it out: prov is root on the hosts; a `command` is run as somebody else by `argv: [runuser, -u, NAME, --, PROGRAM]`";

/// Values of Ansible's that a field does not take, each with what is written instead.
pub(super) const VALUES: &[(&str, &str)] = &[
    ("build-dep", "name the packages themselves"),
    (
        "directory",
        "it is a resource of its own: `directory: {path: …}`",
    ),
    (
        "file",
        "leave it out: without 'content' only owner, group and mode of a file are managed",
    ),
    ("fixed", "apt finishes by itself what was interrupted"),
    ("hard", "a hard link is a `command` with 'creates'"),
    ("installed", "write 'present'"),
    (
        "latest",
        "write 'present': `prov upgrade` brings newer versions",
    ),
    (
        "link",
        "it is a resource of its own: `symlink: {path: …, target: …}`",
    ),
    ("removed", "write 'absent'"),
    (
        "touch",
        "write `command: {argv: [touch, FILE], creates: FILE}`",
    ),
    ("uninstalled", "write 'absent'"),
];

/// What an expression or a template of Ansible's knows.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("ansible_check_mode", "leave it out: a preview is exact"),
    ("ansible_default_ipv4", "write `host.address`"),
    (
        "ansible_distribution",
        "all hosts are Debian; 'release' names the release",
    ),
    ("ansible_distribution_major_version", RELEASE),
    ("ansible_distribution_release", RELEASE),
    ("ansible_facts", FACTS),
    ("ansible_fqdn", HOST),
    ("ansible_host", "write `host.address`"),
    ("ansible_hostname", HOST),
    ("ansible_local", FACTS),
    ("ansible_managed", "write it as a text"),
    ("ansible_nodename", HOST),
    (
        "ansible_os_family",
        "all hosts are Debian; 'release' names the release",
    ),
    ("ansible_play_hosts", "write `hosts()`"),
    (
        "ansible_user",
        "it is in `connection` of estate.yml, and no expression knows it",
    ),
    ("group_names", "write `host.groups`"),
    ("groups", "write `hosts(group=\"NAME\")`"),
    (
        "hostvars",
        "write `variable(host=\"NAME\", name=\"VARIABLE\")`, and `address(host=\"NAME\")` for its address",
    ),
    ("inventory_hostname", HOST),
    ("inventory_hostname_short", HOST),
    ("item", "it is there beside 'each', which gives it"),
    (
        "lookup",
        "files come by `source` and `template`; secrets stand in private files",
    ),
    ("play_hosts", "write `hosts()`"),
    ("playbook_dir", "files are looked for in the role's folder"),
    (
        "query",
        "files come by `source` and `template`; secrets stand in private files",
    ),
    ("role_name", "write it as a text"),
    ("role_path", "files are looked for in the role's folder"),
];

const HOST: &str = "write `host.name`";
const RELEASE: &str = "write `release`, which is 'bookworm' or 'trixie'";

/// Options of Ansible's commands, and the commands themselves.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    (
        "--args",
        "`prov run HOST -- COMMAND`, and `prov task RESOURCE KEY=VALUE`",
    ),
    (
        "--become-method",
        "prov becomes root by itself; `connection: {sudo: …}` in estate.yml says how",
    ),
    ("--diff", "`prov diff` previews"),
    ("-C", "`prov diff` previews"),
    ("-D", "`prov diff` previews"),
    (
        "-a",
        "`prov run HOST -- COMMAND`, and `prov task RESOURCE KEY=VALUE`",
    ),
    (
        "ad-hoc",
        "`prov run HOST -- COMMAND`, and `prov task RESOURCE KEY=VALUE`",
    ),
    ("console", "`prov ssh HOST`, and `prov run HOST -- COMMAND`"),
    (
        "doc",
        "`prov task RESOURCE` lists its fields; docs/reference.md has all of them",
    ),
    (
        "galaxy",
        "--roles DIR names a folder of roles that estates share",
    ),
    (
        "inventory",
        "`prov graph` draws the hosts, and `prov status` lists them",
    ),
    ("lint", "`prov check`"),
    ("play", "`prov apply`"),
    ("playbook", "`prov apply`"),
    ("plan", "`prov diff --out PLAN`"),
    ("vault", "`prov secrets`"),
    ("--ask-become-pass", PASSWORD),
    ("--ask-pass", PASSWORD),
    (
        "--ask-vault-pass",
        "a key with a passphrase is asked for by itself; --identity FILE names another one",
    ),
    (
        "--become",
        "prov becomes root by itself; `connection: {sudo: …}` in estate.yml says how",
    ),
    (
        "--become-user",
        "prov becomes root; a `command` is run as somebody else by runuser",
    ),
    ("--check", "`prov diff` previews"),
    (
        "--connection",
        "`connection` in estate.yml says how hosts are reached",
    ),
    ("--extra-vars", "--set NAME=VALUE"),
    ("--flush-cache", "there is no cache of what hosts say"),
    (
        "--force-handlers",
        "handlers that a failed run left are run by the next one",
    ),
    (
        "--inventory",
        "--estate DIR names the folder with estate.yml",
    ),
    (
        "--list-hosts",
        "`prov status` lists hosts; `prov graph` draws them",
    ),
    ("--list-tags", TAGS),
    ("--list-tasks", "`prov diff` lists what would be done"),
    ("--module-name", "`prov task RESOURCE KEY=VALUE`"),
    (
        "--private-key",
        "`connection: {identity: FILE}` in estate.yml names it, or `IdentityFile` in ~/.ssh/config",
    ),
    ("--skip-tags", TAGS),
    (
        "--start-at-task",
        "leave it out: what is done already takes no time",
    ),
    (
        "--step",
        "`prov diff --out PLAN` and `prov apply --plan PLAN` do what was looked at, and nothing else",
    ),
    ("--syntax-check", "`prov check`"),
    ("--tags", TAGS),
    ("--user", "`connection: {user: …}` in estate.yml names it"),
    ("--vault-id", "--identity FILE"),
    ("--vault-password-file", "--identity FILE"),
    ("-K", PASSWORD),
    (
        "-b",
        "prov becomes root by itself; `connection: {sudo: …}` in estate.yml says how",
    ),
    ("-e", "--set NAME=VALUE"),
    ("-f", "--forks N"),
    ("-i", "--estate DIR names the folder with estate.yml"),
    ("-k", PASSWORD),
    ("-m", "`prov task RESOURCE KEY=VALUE`"),
    ("-t", TAGS),
    ("-u", "`connection: {user: …}` in estate.yml names it"),
];

const PASSWORD: &str = "`connection: {password: …, sudo: password}` in a private file, estate.private.yml; better a key";
const TAGS: &str = "`--limit ROLE` works on the hosts of a role; `prov domain` has --tags";
