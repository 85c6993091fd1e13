//! What can be typed. Help texts are imperative; the reference in `docs/` is made from them.

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, value_parser};

/// Seconds of a day: nobody waits longer.
const DAY: u64 = 86_400;

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   something failed
  2   changes are pending (only with --exit-code)
  3   a host was unreachable, and nothing else failed
  64  the command line or the estate is not valid
`prov ssh`, `prov client` and `prov dropbox` end with the exit code of what they ran, once it ran.

LIMIT and NAME take names of hosts, groups, services and roles: `a,b` or `a:b` for both, `!c` without, `&d` only those
also in, globs (`dns-*`), `~REGEX`, and `@FILE` for the names in a file. Where a role is called as something else is,
`role=NAME` is the role.";

/// Provision small Debian estates over SSH, and try them in containers first
#[derive(Debug, Parser)]
#[command(name = "prov", version = env!("PROV_VERSION"), about, after_help = EXIT_CODES, max_term_width = 110)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Take the estate from this folder; by default the current one if it has an estate.yml, else estate/docker in it
    #[arg(
        long,
        global = true,
        env = "PROV_ESTATE",
        hide_env_values = true,
        default_value_os_t = crate::files::default_estate(Path::new("")),
        hide_default_value = true,
        value_name = "DIR"
    )]
    pub(super) estate: PathBuf,
    /// Take the domains from this folder instead of `domains` in the estate's folder or beside the folder of estates
    #[arg(
        long,
        global = true,
        env = "PROV_DOMAINS",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(super) domains_folder: Option<PathBuf>,
    /// Take roles from this folder, too, which has a folder for each; can be given several times
    #[arg(
        long,
        global = true,
        env = "PROV_ROLES",
        hide_env_values = true,
        value_delimiter = ':',
        value_name = "DIR"
    )]
    pub(super) roles: Vec<PathBuf>,
    /// Decrypt secrets with the private key in this file, of age or of SSH, instead of `~/.ssh/id_ed25519` and `id_rsa`
    #[arg(
        long,
        global = true,
        env = "PROV_IDENTITY",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(super) identity: Option<PathBuf>,
    /// What was read of it.
    #[arg(skip)]
    pub(super) keys: crate::secrets::Keys,
    /// Work on these hosts only
    #[arg(long, short, global = true, value_name = "LIMIT")]
    pub(super) limit: Option<String>,
    /// Set a variable for all hosts, above everything in the estate
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Work on at most this many hosts at once
    #[arg(
        long,
        global = true,
        default_value_t = 64,
        value_name = "N",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub(super) forks: usize,
    /// Give up a host that does not let in, become root or say anything for this many seconds
    #[arg(long, global = true, default_value_t = 20, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=DAY))]
    pub(super) timeout: u64,
    /// Print results in this form
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) telling: super::telling::Telling,
    /// Show what not everybody may read on the hosts, too; what the estate calls secret stays hidden
    #[arg(long, global = true)]
    pub(super) show_private: bool,
    /// Keep changes that may lock prov out of a server whatever becomes of the login
    #[arg(long, global = true)]
    pub(super) unguarded: bool,
    /// Do what is refused because the host, prov or others stand on it: the resource or role as the refusal names it,
    /// for instance 'service ssh'; may be given again
    #[arg(long, global = true, value_name = "RESOURCE", value_parser = super::insist::resource)]
    pub(super) insist: Vec<String>,
    /// Print without colours (as with `NO_COLOR`)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
}

/// Form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
    /// The checks of `prov verify` as metrics, as with --metrics
    Prometheus,
}

impl Global {
    /// Says where keys that decrypt may come from.
    pub(super) fn opener(&self) -> crate::secrets::Opener<'_> {
        crate::secrets::Opener {
            keys: &self.keys,
            estate: &self.estate,
            identity: self.identity.as_deref(),
            ask: super::passphrase::ask,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Validate the estate and its templates, offline
    Check,
    /// Draw the estate: its hosts with their roles, and who relies on whom; offline
    Graph(super::graph::Options),
    /// Make a small estate to begin with, for containers on this machine or for servers
    Init(Init),
    /// Add a role or a host to the estate
    #[command(subcommand)]
    New(NewAction),
    /// Print the JSON Schema of files that people write, for editors
    Schema {
        /// Describe these files
        #[arg(value_enum)]
        of: SchemaOf,
    },
    /// Make containers that run an SSH server and nothing else, anew
    Deploy(Deploy),
    /// Preview what apply would change, with diffs; change nothing
    Diff(Diff),
    /// Make the hosts as the estate says
    Apply(Apply),
    /// Keep what was applied to containers and start them again with real daemons
    Test(Test),
    /// Do what had to wait for running services, and what a container would have lost
    Complete(Complete),
    /// Set domains up on top of the hosts, or take them away again
    Domain(Domain),
    /// Prove that services work, with real clients
    Verify(Verify),
    /// Deploy, apply, test, complete, set domains up and verify in one go; go on where it stopped
    Up(Up),
    /// List what runs have changed on hosts
    History(History),
    /// Take back what a run has changed on hosts, as far as nobody has changed it since
    Undo(Undo),
    /// List pending updates, held packages, what wants a restart or a reboot
    Packages(Names),
    /// Install pending updates, or go to the next release of Debian
    Upgrade(super::upgrade::Options),
    /// Show, change, encrypt and check what the estate's private files hold
    #[command(subcommand)]
    Secrets(super::secrets::Action),
    /// Show, hand on or replace the estate's authority for certificates
    #[command(subcommand)]
    Authority(AuthorityAction),
    /// Run a client inside the estate's network: in a container, or on a vantage point among servers
    Client(Client),
    /// Visit the estate with this user's own browser or mail program: a proxy on this machine, until Ctrl-C
    Browse(Browse),
    /// Link the synchronisation of the backup's copies to an account, or narrow it to their folder
    Dropbox(Dropbox),
    /// Show a web site, take it to another place, or back
    #[command(subcommand)]
    Site(Site),
    /// Run a command as root on hosts
    Run(Run),
    /// Preview or apply one resource that no role declares
    Task(Task),
    /// Show how the hosts and their services are
    Status(Status),
    /// Show what services print and write to their logs
    Logs(Logs),
    /// Open a root shell on a host
    Ssh(Ssh),
    /// Remove everything that prov made in Docker for the estate
    Down(Down),
    /// Show the templates that an estate can override
    #[command(subcommand)]
    Template(TemplateAction),
    /// Print a script by which a shell completes commands, options, and the names that the estate has
    Completions {
        /// Complete in this shell
        shell: clap_complete::Shell,
    },
    /// Print the reference of commands, resources, roles and variables
    Reference(Reference),
}

#[derive(Debug, Args)]
pub(super) struct Reference {
    /// Describe the roles of the estate's own and of its libraries instead
    #[arg(long = "own-roles")]
    pub(super) own: bool,
}

/// What is shown of templates.
#[derive(Debug, Subcommand)]
pub(super) enum TemplateAction {
    /// List the templates of roles, or of these, with the variables that each uses
    List {
        /// List those of this role
        role: Option<String>,
    },
    /// Show the text of a template as it comes with prov
    Show {
        /// Show this one, for instance `dns/estate.conf`
        name: String,
    },
}

/// What is done with the estate's authority.
#[derive(Debug, Subcommand)]
pub(super) enum AuthorityAction {
    /// Show which authorities there are, and how far one has taken another's place
    Show,
    /// Write the authority with its private key to a file, for another administrator
    Export {
        /// Write this file, which must not be there
        file: PathBuf,
        /// Write the certificate alone, which is public; `-` prints it
        #[arg(long)]
        certificate: bool,
    },
    /// Take over the authority that another administrator has exported
    Import {
        /// Read this file; `-` reads standard input
        file: PathBuf,
    },
    /// Replace the authority step by step, so that nothing loses trust in between: run it, apply, run it again, apply
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Take the place of an authority whose key is lost, whatever hosts trust
    #[arg(long, conflicts_with = "give_up")]
    pub(super) lost: bool,
    /// Give up the next authority, as long as it does not issue
    #[arg(long)]
    pub(super) give_up: bool,
}

/// Names of services, groups, hosts or roles.
#[derive(Debug, Args, Default)]
pub(super) struct Names {
    /// Work on these services, groups, hosts or roles; on all when none is named
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    #[command(flatten)]
    pub(super) names: Names,
    /// Make the volumes anew too, which loses what is on them
    #[arg(long)]
    pub(super) renew_volumes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    pub(super) names: Names,
    /// Look at the domains, too
    #[arg(long)]
    pub(super) domains: bool,
    /// Show what goes with the data, too, of roles that have left a host
    #[arg(long, conflicts_with = "out")]
    pub(super) purge_data: bool,
    /// Save the plan, to be applied with `prov apply --plan FILE`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Show a saved plan again, as JSON
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "domains", "names"])]
    pub(super) show: Option<PathBuf>,
    /// Exit with 2 if anything would change
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(flatten)]
    pub(super) changes: super::reports::Changes,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    pub(super) names: Names,
    /// Apply this saved plan, if the hosts are still as they were
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    pub(super) plan: Option<PathBuf>,
    /// Leave what this role or domain has on hosts that it has left, and do not speak of it any more
    #[arg(
        long,
        value_name = "ROLE",
        value_delimiter = ',',
        conflicts_with = "plan"
    )]
    pub(super) forget: Vec<String>,
    /// Of roles that have left a host, take away databases, mailboxes and other data, too
    #[arg(long, conflicts_with = "plan")]
    pub(super) purge_data: bool,
    /// Confirm `--purge-data` by the names of the roles, separated by spaces
    #[arg(long, requires = "purge_data", value_name = "NAMES")]
    pub(super) confirm: Option<String>,
    #[command(flatten)]
    pub(super) care: super::rollout::Care,
    #[command(flatten)]
    pub(super) changes: super::reports::Changes,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
pub(super) struct Complete {
    #[command(flatten)]
    pub(super) names: Names,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the options of a command line"
)]
pub(super) struct Domain {
    /// Work on these domains
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Work on all domains
    #[arg(long, conflicts_with = "names")]
    pub(super) all: bool,
    /// Work on these parts only
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TAG")]
    pub(super) tags: Vec<DomainTag>,
    /// Of the web sites, work on those with this anywhere in their first label, for instance `(?:dev|test)`, or `^www$` for that alone
    #[arg(long, value_name = "REGEX")]
    pub(super) hostname_filter: Option<String>,
    /// Preview only
    #[arg(long)]
    pub(super) diff: bool,
    /// Save the preview as a plan, to be applied with `prov apply --plan FILE`
    #[arg(
        long,
        requires = "diff",
        conflicts_with = "purge_data",
        value_name = "FILE"
    )]
    pub(super) out: Option<PathBuf>,
    /// Take away what was set up, but for mailboxes, databases and files of web sites
    #[arg(long)]
    pub(super) remove: bool,
    /// Take those away, too
    #[arg(long, requires = "remove")]
    pub(super) purge_data: bool,
    /// Confirm `--purge-data` by the names of the domains, separated by spaces
    #[arg(long, requires = "purge_data", value_name = "NAMES")]
    pub(super) confirm: Option<String>,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

/// A part of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum DomainTag {
    /// Records that follow the office's address
    DynamicDns,
    /// Mail
    Mail,
    /// What the estate's own roles make for it
    Roles,
    /// Web sites
    Web,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct History {
    #[command(subcommand)]
    pub(super) action: Option<HistoryAction>,
    #[command(flatten)]
    pub(super) names: Names,
    /// List this many runs of each host, the last ones first
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub(super) last: usize,
}

#[derive(Debug, Subcommand)]
pub(super) enum HistoryAction {
    /// Show every change of a run, with what it looked like
    Show {
        /// Show this run, by its name
        run: String,
        #[command(flatten)]
        names: Names,
    },
}

#[derive(Debug, Args)]
pub(super) struct Undo {
    /// Undo this run, by its name
    pub(super) run: String,
    #[command(flatten)]
    pub(super) names: Names,
    /// Preview what would be taken back; change nothing
    #[arg(long)]
    pub(super) diff: bool,
    /// Remove the packages that the run installed, and install those that it removed, too
    #[arg(long)]
    pub(super) packages: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Wait this long for a host that another run has locked
    #[arg(long, default_value_t = 0, value_name = "SECONDS", value_parser = value_parser!(u64).range(..=DAY))]
    pub(super) wait: u64,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    #[command(flatten)]
    pub(super) names: Names,
    /// Restart hosts that are in test mode already
    #[arg(long)]
    pub(super) restart: bool,
    /// Give up on a host whose services are not ready after this long
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=DAY))]
    pub(super) deadline: u64,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Verify these services, or roles of the estate's own that have checks; all when none is named
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) reports: Reports,
    /// Resolve this name to prove that upstream servers are asked; by default the host of the package archive
    #[arg(long, value_name = "NAME")]
    pub(super) upstream_name: Option<String>,
    /// Make checks that write on servers, too, with what the estate marks for them; naming a service does so for that one
    #[arg(long)]
    pub(super) all: bool,
    /// Make the checks again and again, with so many seconds between, until you press Ctrl-C
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=DAY))]
    pub(super) watch: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    pub(super) names: Names,
    /// Begin anew instead of going on where the last run stopped
    #[arg(long)]
    pub(super) fresh: bool,
    #[command(flatten)]
    pub(super) reports: Reports,
}

/// Files for the results of acceptance checks.
#[derive(Debug, Args)]
pub(super) struct Reports {
    /// Write the results of the checks as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write the results of the checks as one page, to read and to send
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Write the results of the checks as metrics of Prometheus, for the collector `textfile` of node exporter; `--output
    /// prometheus` prints the same
    #[arg(long, value_name = "FILE")]
    pub(super) metrics: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Client {
    /// Run this client
    #[arg(value_parser = ["bconsole", "cadaver", "chromium", "curl", "dig", "lynx", "mutt", "openssl", "swaks", "traceroute", "vantage"])]
    pub(super) name: String,
    /// Hand these to the client; the first is the scope, internal (or inside) or external (or outside), which `cadaver` and
    /// `swaks` need not be told; `mutt` is told an address and a scope, `swaks` whom to write to. Among servers there are
    /// neither `chromium` nor `mutt`, and `swaks` is told everything itself
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Browse {
    /// See it from here: inside (or internal) as its own clients do, outside (or external) as the Internet does
    #[arg(value_name = "SIDE", value_parser = ["inside", "outside", "internal", "external"], default_value = "inside", hide_possible_values = true)]
    pub(super) side: String,
    /// Listen at this port of 127.0.0.1 instead of any free one
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(super) port: u16,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Make it in this folder
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) folder: PathBuf,
    /// Its hosts are servers, not containers
    #[arg(long)]
    pub(super) servers: bool,
    /// Call it so; as the folder when not given
    #[arg(long)]
    pub(super) name: Option<String>,
}

/// What can be added to an estate.
#[derive(Debug, Subcommand)]
pub(super) enum NewAction {
    /// Begin a role of the estate's own, roles/NAME/role.yml
    Role {
        /// Call it so
        name: String,
    },
    /// Add a host to estate.yml, and a file for its variables
    Host {
        /// Call it so
        name: String,
        /// Reach it at this address; a container gets the next one of the network when not given
        #[arg(long)]
        address: Option<std::net::IpAddr>,
        /// Say where it is: internal (when not given) or external
        #[arg(long)]
        location: Option<String>,
    },
}

/// Files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// estate.yml
    Estate,
    /// groups/NAME.yml and hosts/NAME.yml, with the variables of the estate's own roles
    Variables,
    /// roles/NAME/role.yml
    Role,
    /// domains/NAME/domain.yml
    Domain,
}

/// What is done with web sites. SITE is the whole name, such as www.customer.com.
#[derive(Debug, Subcommand)]
pub(super) enum Site {
    /// Say what is in a web site, and whether what was replaced is kept
    Show {
        /// Name of the site
        site: String,
    },
    /// Write files and database of a web site to an archive
    Export {
        /// Name of the site
        site: String,
        /// Write this file, which must not be there yet
        file: PathBuf,
    },
    /// Put an archive in the place of a web site, with addresses as they are there; what is replaced is kept
    Import {
        /// Read this file, which `prov site export` made
        file: PathBuf,
        /// Name of the site
        site: String,
    },
    /// Put a web site in the place of another, with addresses as they are there; what is replaced is kept
    Copy {
        /// Name of the site that is copied, and stays
        from: String,
        /// Name of the site that is replaced
        to: String,
        /// Show only what would be replaced by what
        #[arg(long)]
        diff: bool,
    },
    /// Exchange what is kept of a web site with what is there
    Undo {
        /// Name of the site
        site: String,
    },
    /// Delete what is kept of a web site
    Confirm {
        /// Name of the site
        site: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Dropbox {
    /// Do this on the host that synchronises
    #[arg(value_enum)]
    pub(super) action: DropboxAction,
}

/// What is done by hand for the synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DropboxAction {
    /// Start the daemon and show the link to be visited, until it is linked
    Link,
    /// Leave out every folder of the account but that of the copies
    Exclude,
}

impl DropboxAction {
    /// Gives the word for the host's command.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Exclude => "exclude",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) names: Names,
    /// End after so many seconds, however far the command is
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = value_parser!(u64).range(1..=30 * DAY))]
    pub(super) max_time: u64,
    /// Run this command; a single word with spaces is a line for the shell
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Task {
    /// Manage a resource of this kind
    pub(super) resource: String,
    /// Set its fields; a value in brackets or braces is YAML, `@FILE` is what a file holds and `@-` what comes by standard
    /// input; a text that begins with `@` is written with two
    #[arg(value_name = "KEY=VALUE")]
    pub(super) fields: Vec<String>,
    /// Preview only
    #[arg(long)]
    pub(super) diff: bool,
    #[command(flatten)]
    pub(super) waiting: Waiting,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) names: Names,
    /// Exit with 1 if something is broken on a server, or soon will be
    #[arg(long)]
    pub(super) exit_code: bool,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Show these services, or what services of these hosts, groups and roles print; everything when none is named
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Go on showing new lines
    #[arg(long, short)]
    pub(super) follow: bool,
    /// Show what was printed since then: `30min`, `2h`, `3d`, or a time by the host's clock such as `2026-01-31 17:45`
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Show this many lines of each log before; 100 when not given, and all of them with `--since`
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct Ssh {
    /// Open a shell on this host, or the only one of this group, service or role
    pub(super) host: String,
    /// Stay the user that logs in, instead of becoming root
    #[arg(long)]
    pub(super) no_sudo: bool,
    /// Run this command instead of a shell; a single word with spaces is a line for the shell
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Down {
    /// Remove the images that all estates share, too
    #[arg(long)]
    pub(super) base_images: bool,
}

/// Gives the whole command line, for the reference and for completion.
pub(super) fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_can_be_done_with_is_refused() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        for bad in [
            "prov check --forks 9999999999999999999",
            "prov check --forks 0",
            "prov check --timeout 0",
            "prov run --max-time 0 -- true",
            "prov run --max-time 18446744073709551615 -- true",
            "prov apply --wait 18446744073709551615",
            "prov test --deadline 18446744073709551615",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "prov apply one --plan x",
            "prov diff --show x one",
            "prov domain a.test --all",
            "prov run one id",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for good in [
            "prov diff one two --domains --out x",
            "prov apply dns,!one",
            "prov complete one",
            "prov run one two -- id -u",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let good = "prov apply --forks 1 --timeout 1 --wait 0";
        assert!(parse(good).is_ok(), "{good}");
    }

    /// What the document for those who know Ansible tells them to type can be typed; what stands for a number or a name is one.
    #[test]
    fn commands_of_the_document_for_newcomers_are_understood() {
        let document = include_str!("../../../docs/from-ansible.md");
        let commands = document.split('`').filter(|it| it.starts_with("prov "));
        let mut seen = 0;
        for command in commands {
            let typed = command
                .replace(" N", " 1")
                .replace("hostname-filter REGEX", "hostname-filter es");
            let words = shlex::split(&typed).unwrap();
            if let Err(error) = Arguments::try_parse_from(&words) {
                // One that is named without what belongs to it.
                let is_short = error.kind() == clap::error::ErrorKind::MissingRequiredArgument
                    || error.kind()
                        == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
                assert!(is_short, "{command}: {error}");
            }
            seen += 1;
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn a_word_of_ansible_is_answered_with_prov_s() {
        for (typed, told) in [
            ("prov apply --tags web", "--limit ROLE"),
            ("prov apply --diff", "`prov diff` previews"),
            ("prov apply -e a=b", "--set NAME=VALUE"),
            ("prov playbook site.yml", "`prov apply`"),
        ] {
            let error = Arguments::try_parse_from(typed.split(' ')).unwrap_err();
            let shown = super::super::with_tip(error).to_string();
            assert!(shown.contains(told), "{typed}: {shown}");
        }
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
