<?php
/**
 * Whether this site is a door to the network, and what of that is stored.
 *
 * A door passes sealed messages of readers whose country blocks the network's addresses on to the
 * network that the tag names. All of it is off until an administrator turns it on.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** The option of the door, beside that of the switch. */
const PASSERELLE_DOOR = 'passerelle_door';
/** The path of the door below the site's own. */
const PASSERELLE_DOOR_PATH = '/passerelle-door';
/** Gigabytes that a door may carry in a day, both ways together; the first is the usual one. */
const PASSERELLE_DOOR_DAILY = array( '5', '1', '20', '100' );

/**
 * The door's settings in force.
 *
 * @return array{on: string, key: string, daily: string}
 */
function passerelle_door_settings() {
	return passerelle_door_sanitize( get_option( PASSERELLE_DOOR, array() ) );
}

/**
 * Keep what makes sense, and put the usual value in the place of what does not.
 *
 * @param mixed $given Fields of the settings form, or the option's value.
 * @return array{on: string, key: string, daily: string}
 */
function passerelle_door_sanitize( $given ) {
	$given = is_array( $given ) ? $given : array();
	$key   = passerelle_text( $given, 'key' );
	$daily = passerelle_text( $given, 'daily' );
	return array(
		'on'    => passerelle_text( $given, 'on' ) === '1' ? '1' : '',
		'key'   => preg_match( '~\A[A-Za-z0-9_-]{43}\z~', $key ) ? $key : '',
		'daily' => in_array( $daily, PASSERELLE_DOOR_DAILY, true ) ? $daily : PASSERELLE_DOOR_DAILY[0],
	);
}

/** The base URL that readers ask: one that the web server gives to WordPress. */
function passerelle_door_url() {
	// Without permalinks, a web server need not give paths that do not exist to WordPress.
	$front = get_option( 'permalink_structure' ) ? '' : '/index.php';
	return untrailingslashit( home_url() ) . $front . PASSERELLE_DOOR_PATH;
}

/** Why this site cannot be a door; an empty text if it can. */
function passerelle_door_fault() {
	$settings = passerelle_door_settings();
	$network  = passerelle_settings()['network'];
	if ( '' === $network ) {
		return __( 'Put your network’s tag in first: it names the servers that the door leads to.', 'passerelle' );
	}
	if ( '' === $settings['key'] ) {
		return __( 'Put in the key that the network’s operator gives you: 43 letters and digits.', 'passerelle' );
	}
	if ( ! ini_get( 'allow_url_fopen' ) ) {
		return __( 'This server’s PHP may not open addresses of others (allow_url_fopen is off).', 'passerelle' );
	}
	if ( ! passerelle_door_file() ) {
		return __( 'The counters that limit a door cannot be kept: the folder for temporary files cannot be written.', 'passerelle' );
	}
	return passerelle_door_network_fault();
}
