<?php
/**
 * Plugin Name:       Passerelle
 * Description:       Puts a switch on your site: a visitor who turns it on lets people in censored countries browse through their browser.
 * Version:           0.1.0
 * Requires at least: 5.7
 * Requires PHP:      7.4
 * Author:            The Passerelle authors
 * License:           Apache-2.0
 * License URI:       https://www.apache.org/licenses/LICENSE-2.0
 * Text Domain:       passerelle
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

const PASSERELLE_OPTION = 'passerelle_settings';

require_once __DIR__ . '/includes/settings.php';
require_once __DIR__ . '/includes/render.php';
require_once __DIR__ . '/includes/admin.php';
require_once __DIR__ . '/includes/caches.php';
require_once __DIR__ . '/includes/doorsettings.php';
require_once __DIR__ . '/includes/doornetwork.php';
require_once __DIR__ . '/includes/doorlimits.php';
require_once __DIR__ . '/includes/door.php';
require_once __DIR__ . '/includes/dooradmin.php';
require_once __DIR__ . '/includes/survive.php';
require_once __DIR__ . '/includes/surviveadmin.php';

add_shortcode( 'passerelle', 'passerelle_shortcode' );
add_filter( 'the_content', 'passerelle_in_content' );
add_action( 'wp_footer', 'passerelle_footer' );
add_action( 'admin_init', 'passerelle_register' );
add_action( 'admin_init', 'passerelle_door_register' );
add_action( 'plugins_loaded', 'passerelle_door_open' );
add_action( 'admin_menu', 'passerelle_menu' );
add_action( 'plugins_loaded', 'passerelle_survive_open' );
add_action( 'send_headers', 'passerelle_survive_mark' );
add_action( 'admin_post_passerelle_survive', 'passerelle_survive_save' );
add_filter( 'plugin_action_links_' . plugin_basename( __FILE__ ), 'passerelle_action_links' );
add_filter( 'plugin_row_meta', 'passerelle_survive_warning', 10, 2 );
add_action( 'add_option_' . PASSERELLE_OPTION, 'passerelle_empty_caches' );
add_action( 'update_option_' . PASSERELLE_OPTION, 'passerelle_empty_caches' );
register_activation_hook( __FILE__, 'passerelle_empty_caches' );
register_deactivation_hook( __FILE__, 'passerelle_empty_caches' );
register_deactivation_hook( __FILE__, 'passerelle_door_clear' );
