<?php
/**
 * The site goes on when it is blocked: the worker's file is served, and the site's answers are marked.
 *
 * The file lies below the REST interface. That address reaches WordPress with every form of links, and
 * is "not found" once the plugin is gone, by which visitors' browsers know that it is not wanted. Those of
 * a site with a key believe only what is signed, so it has to be withdrawn before the plugin goes.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

const PASSERELLE_SURVIVE       = 'passerelle_survive';
const PASSERELLE_SURVIVE_ROUTE = '/passerelle/v1/passerelle-survive.js';
/** What a worker's file begins with, and the longest one. */
const PASSERELLE_SURVIVE_BEGINNING = '// Passerelle: the site goes on';
const PASSERELLE_SURVIVE_BYTES     = 1048576;
/** What is signed begins with this; the site's origin, a zero byte and the browser's random bytes follow. */
const PASSERELLE_SURVIVE_CONTEXT = "passerelle site proof 1\0";
/** Takes the worker's place once it is withdrawn: it removes itself. `reader/src/survive/withdrawn.ts` says the same. */
const PASSERELLE_SURVIVE_WITHDRAWN = <<<'JS'
// Passerelle: withdrawn by the publisher.
if (self.location.href.includes('passerelle-survive.js')) {
  self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()));
  self.addEventListener('activate', (event) => event.waitUntil((async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith('passerelle '));
    await Promise.all([...names.map((name) => caches.delete(name)), self.registration.unregister()]);
  })()));
}

JS;

/**
 * What is kept: `state` is '' before there was a file, then 'on' or 'withdrawn'; `key` signs proofs, in base64.
 *
 * @return array{state: string, file: string, key: string}
 */
function passerelle_survive_settings() {
	$given = get_option( PASSERELLE_SURVIVE, array() );
	$given = is_array( $given ) ? $given : array();
	$state = passerelle_text( $given, 'state' );
	$file  = isset( $given['file'] ) && is_string( $given['file'] ) ? $given['file'] : '';
	return array(
		'state' => in_array( $state, array( 'on', 'withdrawn' ), true ) ? $state : '',
		'file'  => $file,
		'key'   => passerelle_text( $given, 'key' ),
	);
}

/**
 * Keep it, out of what WordPress loads for each page.
 *
 * @param array{state: string, file: string, key: string} $settings What to keep.
 */
function passerelle_survive_store( array $settings ) {
	update_option( PASSERELLE_SURVIVE, $settings, false );
	passerelle_empty_caches();
}

/** The file's path on the site, as the tag has it. */
function passerelle_survive_path() {
	return '/?rest_route=' . PASSERELLE_SURVIVE_ROUTE;
}

/** The attribute of the tag; empty where the worker is not wanted. */
function passerelle_survive_attribute() {
	return 'on' === passerelle_survive_settings()['state']
		? ' survive="' . esc_attr( passerelle_survive_path() ) . '"'
		: '';
}

/** Answer the present request and end it, if it is for the file. */
function passerelle_survive_open() {
	if ( ! isset( $_GET['rest_route'] ) || PASSERELLE_SURVIVE_ROUTE !== $_GET['rest_route'] ) { // phpcs:ignore WordPress.Security.NonceVerification
		return;
	}
	$settings = passerelle_survive_settings();
	if ( '' === $settings['state'] ) {
		return;
	}
	// Plugins that keep pages look for this.
	defined( 'DONOTCACHEPAGE' ) || define( 'DONOTCACHEPAGE', true );
	$content = 'on' === $settings['state'] ? $settings['file'] : PASSERELLE_SURVIVE_WITHDRAWN;
	$etag    = '"' . md5( $content ) . '"';
	header( 'Content-Type: text/javascript; charset=utf-8' );
	header( 'Service-Worker-Allowed: /' );
	header( 'X-Content-Type-Options: nosniff' );
	$nonce = isset( $_GET['nonce'] ) && is_string( $_GET['nonce'] ) ? $_GET['nonce'] : ''; // phpcs:ignore WordPress.Security
	if ( preg_match( '~\A[0-9a-f]{32}\z~', $nonce ) && '' !== $settings['key'] ) {
		header( 'Cache-Control: no-store' );
		header( 'Passerelle-Proof: ' . passerelle_survive_proof( $settings['key'], hex2bin( $nonce ) ) );
		status_header( 204 );
		exit;
	}
	header( 'Cache-Control: no-cache' );
	header( 'ETag: ' . $etag );
	if ( isset( $_SERVER['HTTP_IF_NONE_MATCH'] ) && $_SERVER['HTTP_IF_NONE_MATCH'] === $etag ) {
		status_header( 304 );
		exit;
	}
	echo $content; // phpcs:ignore WordPress.Security.EscapeOutput
	exit;
}

/** Mark the site's pages, so that visitors' browsers know them from a block page. */
function passerelle_survive_mark() {
	if ( 'on' === passerelle_survive_settings()['state'] ) {
		header( 'Passerelle-Site: 1' );
	}
}

/** The site's origin, as browsers write it. */
function passerelle_survive_origin() {
	$parts = wp_parse_url( home_url() );
	return $parts['scheme'] . '://' . $parts['host'] . ( isset( $parts['port'] ) ? ':' . $parts['port'] : '' );
}

/**
 * The signature over a browser's random bytes, in base64.
 *
 * @param string $key   The secret key, in base64.
 * @param string $nonce 16 bytes.
 */
function passerelle_survive_proof( $key, $nonce ) {
	$text = PASSERELLE_SURVIVE_CONTEXT . passerelle_survive_origin() . "\0" . $nonce;
	return base64_encode( sodium_crypto_sign_detached( $text, base64_decode( $key ) ) );
}

/** Why the site cannot have it; empty if it can. */
function passerelle_survive_fault() {
	return '' === trim( (string) wp_parse_url( home_url(), PHP_URL_PATH ), '/' )
		? ''
		: __( 'This site lies below a folder, and the worker would answer for the whole host name. Put the file at the root yourself.', 'passerelle' );
}
