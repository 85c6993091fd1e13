<?php
// Managed by prov (role domain_wordpress): changes made here are overwritten.
// Debian's WordPress takes the file whose name has the name of the host that a visitor asks for.

define('DB_NAME', trim((string) file_get_contents('{{ database }}')));
define('DB_USER', {{ user }});
define('DB_PASSWORD', {{ password }});
define('DB_HOST', {{ server }});
define('DB_CHARSET', 'utf8mb4');
require_once '{{ keys }}';

define('WP_HOME', '{{ address }}');
define('WP_SITEURL', '{{ address }}');
define('WP_CONTENT_DIR', '{{ folder }}');
define('WP_CONTENT_URL', '{{ address }}/wp-content');
define('WP_DEFAULT_THEME', '{{ theme }}');
{%- if uses_ssl %}

// The proxy talks plain HTTP to this host; who runs WordPress from a command line says nothing at all.
$_SERVER['HTTPS'] = 'on';
define('FORCE_SSL_ADMIN', true);
{%- endif %}

// New versions come with Debian's package, themes and plugins from the administrator of this host: what a visitor
// could make WordPress write is never a program.
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_ALLOW_MULTISITE', false);
define('FS_METHOD', 'direct');

// Nobody else is asked for anything{% if asked %} but these{% endif %}.
define('WP_HTTP_BLOCK_EXTERNAL', true);
{%- if asked %}
define('WP_ACCESSIBLE_HOSTS', '{{ asked }}');
{%- endif %}
{%- if translated %}

// The texts of Debian's package.
define('WP_LANG_DIR', '/usr/share/wordpress/wp-content/languages');
{%- endif %}

// A job of cron does what is due, instead of the site asking itself.
define('DISABLE_WP_CRON', true);
