<?php
/**
 * Runs the plugin as WordPress would, from one JSON object on standard input to one on standard
 * output. What WordPress brings is replaced by the little that the plugin needs of it: hooks that
 * are kept and called, options in an array, and escaping as WordPress documents it.
 *
 * Input: "option" (the stored value), "can" (capabilities), "do" (a list of steps, each [name, …]),
 * "singular", "multisite". Output: for each step what it printed and returned, and what is stored.
 */

error_reporting( E_ALL );
set_error_handler(
	function ( $level, $message, $file, $line ) {
		throw new ErrorException( $message, 0, $level, $file, $line );
	}
);

define( 'ABSPATH', __DIR__ );
$given = json_decode( stream_get_contents( STDIN ), true, 64, JSON_THROW_ON_ERROR );
$site  = 1;
$hooks = array();
$codes = array();
$pages = array();
$rules = array();
$notes = array();
$store = array_fill_keys( $given['multisite'] ?? array( 1 ), array( 'passerelle_settings' => $given['option'] ?? array(), 'other' => 1 ) );

// --- escaping: wp-includes/formatting.php ------------------------------------------------------

function esc_html( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8' );
}
function esc_attr( $text ) {
	return esc_html( $text );
}
function esc_textarea( $text ) {
	return esc_html( $text );
}
function esc_url( $url ) {
	return preg_match( '~\Ahttps?://~', $url ) ? str_replace( array( '&', "'", '"', '<', '>', ' ' ), array( '&#038;', '&#039;', '', '', '', '%20' ), $url ) : '';
}
function esc_url_raw( $url ) {
	return preg_match( '~\Ahttps?://~', $url ) ? str_replace( array( '"', '<', '>', ' ' ), array( '', '', '', '%20' ), $url ) : '';
}
function __( $text, $domain ) {
	return $text;
}
function esc_html__( $text, $domain ) {
	return esc_html( $text );
}
function esc_html_e( $text, $domain ) {
	echo esc_html( $text );
}
function selected( $one, $other ) {
	echo $one === $other ? " selected='selected'" : '';
}
function checked( $one, $other ) {
	echo $one === $other ? " checked='checked'" : '';
}
function untrailingslashit( $text ) {
	return rtrim( $text, '/' );
}
function home_url() {
	return 'https://paper.example';
}
if ( ! function_exists( 'wp_parse_url' ) ) {
	function wp_parse_url( $url, $part = -1 ) {
		return parse_url( $url, $part );
	}
}
function wp_nonce_field( $action ) {
	echo '<input type="hidden" name="_wpnonce" value="nonce-of-' . esc_attr( $action ) . '">';
}
function wp_get_script_tag( array $attributes ) {
	$words = '';
	foreach ( $attributes as $name => $value ) {
		$words .= true === $value ? ' ' . esc_attr( $name ) : sprintf( ' %1$s="%2$s"', esc_attr( $name ), esc_attr( $value ) );
	}
	return "<script$words></script>\n";
}

// --- hooks, options, users ---------------------------------------------------------------------

function add_action( $name, $call, $priority = 10 ) {
	$GLOBALS['hooks'][ $name ][] = $call;
}
function do_action( $name ) {
}
function register_activation_hook( $file, $call ) {
}
function register_deactivation_hook( $file, $call ) {
}
function add_filter( $name, $call ) {
	add_action( $name, $call );
}
function add_shortcode( $name, $call ) {
	$GLOBALS['codes'][ $name ] = $call;
}
function plugin_basename( $file ) {
	return 'passerelle/' . basename( $file );
}
function get_option( $name, $usual = false ) {
	return $GLOBALS['store'][ $GLOBALS['site'] ][ $name ] ?? $usual;
}
function delete_option( $name ) {
	unset( $GLOBALS['store'][ $GLOBALS['site'] ][ $name ] );
}
function current_user_can( $capability ) {
	return in_array( $capability, $GLOBALS['given']['can'] ?? array(), true );
}
function register_setting( $group, $name, array $rules ) {
	$GLOBALS['rules'][ $name ] = $rules + array( 'group' => $group );
}
function settings_fields( $group ) {
	echo '<input type="hidden" name="_wpnonce" value="nonce-of-' . esc_attr( $group ) . '-options" />';
}
function add_options_page( $title, $menu, $capability, $slug, $call ) {
	$GLOBALS['pages'][ $slug ] = array( $capability, $call );
}
function add_settings_error( $name, $code, $message ) {
	$GLOBALS['notes'][] = $message;
}
function submit_button() {
	echo '<p class="submit"><input type="submit" /></p>';
}
function admin_url( $path ) {
	return 'https://paper.example/wp-admin/' . $path;
}
function is_singular() {
	return $GLOBALS['given']['singular'] ?? true;
}
function is_feed() {
	return false;
}
function in_the_loop() {
	return true;
}
function is_main_query() {
	return true;
}
function is_multisite() {
	return isset( $GLOBALS['given']['multisite'] );
}
function get_sites( array $query ) {
	return array_keys( $GLOBALS['store'] );
}
function switch_to_blog( $id ) {
	$GLOBALS['site'] = $id;
}
function restore_current_blog() {
	$GLOBALS['site'] = 1;
}

// --- the steps -----------------------------------------------------------------------------------

$plugin = dirname( __DIR__, 3 ) . '/integrations/wordpress/';
require $plugin . 'passerelle.php';

function step( $name, ...$words ) {
	global $hooks, $codes, $pages, $rules, $store, $site, $plugin;
	switch ( $name ) {
		case 'shortcode':
			return ( $codes['passerelle'] )( $words[0] );
		case 'filter':
			foreach ( $hooks[ $words[0] ] ?? array() as $call ) {
				$words[1] = $call( $words[1] );
			}
			return $words[1];
		case 'action':
			foreach ( $hooks[ $words[0] ] ?? array() as $call ) {
				$call();
			}
			return null;
		case 'page':
			( $pages['passerelle'][1] )();
			return $pages['passerelle'][0];
		case 'save':
			$store[ $site ]['passerelle_settings'] = ( $rules['passerelle_settings']['sanitize_callback'] )( $words[0] );
			return $store[ $site ]['passerelle_settings'];
		case 'uninstall':
			define( 'WP_UNINSTALL_PLUGIN', 'passerelle/passerelle.php' );
			require $plugin . 'uninstall.php';
			return null;
	}
	throw new Exception( "no step $name" );
}

$told = array();
foreach ( $given['do'] as $words ) {
	ob_start();
	$returned = step( ...$words );
	$told[]   = array( 'printed' => ob_get_clean(), 'returned' => $returned );
}
echo json_encode( array( 'steps' => $told, 'store' => $store, 'notes' => $notes, 'rules' => array_keys( $rules ) ), JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE );
