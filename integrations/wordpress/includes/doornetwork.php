<?php
/**
 * Where a door leads: the broker that the tag names, and the exits of its network.
 *
 * The exits come from the network's description, which the operator has signed with the key in the
 * tag. So nobody else, the broker's host included, can make this site send anything elsewhere.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** The option that remembers the exits. */
const PASSERELLE_DOOR_EXITS = 'passerelle_door_exits';
/** Largest description, and how many exits are kept of it. */
const PASSERELLE_DOOR_DOCUMENT_BYTES = 131072;
const PASSERELLE_DOOR_EXITS_MOST     = 32;
/** Seconds for which the exits are taken as they are, and between two tries that fail. */
const PASSERELLE_DOOR_FRESH_S = 3600;
const PASSERELLE_DOOR_RETRY_S = 60;
/** Seconds that the broker has for its description. */
const PASSERELLE_DOOR_FETCH_S = 8;

/** The broker's base URL. */
function passerelle_door_broker() {
	return preg_replace( '~/?#.*\z~', '', passerelle_settings()['network'] );
}

/**
 * The base URLs of the exits, by their names.
 *
 * They are remembered for an hour. Where they cannot be had anew, the last ones count.
 *
 * @return array<string, string>
 */
function passerelle_door_exits() {
	$known = passerelle_door_known();
	return $known['until'] > time() ? $known['exits'] : passerelle_door_renew()['exits'];
}

/** Why the exits are not known; an empty text if they are. */
function passerelle_door_network_fault() {
	$known = passerelle_door_known();
	return $known['until'] > time() ? $known['fault'] : passerelle_door_renew()['fault'];
}

/**
 * What is remembered of the network that the tag names.
 *
 * @return array{network: string, until: int, exits: array<string, string>, fault: string}
 */
function passerelle_door_known() {
	$network = passerelle_settings()['network'];
	$known   = get_option( PASSERELLE_DOOR_EXITS );
	return is_array( $known ) && isset( $known['network'] ) && $known['network'] === $network
		? $known
		: array( 'network' => $network, 'until' => 0, 'exits' => array(), 'fault' => '' );
}

/**
 * Fetch the description, and remember what it says.
 *
 * @return array{network: string, until: int, exits: array<string, string>, fault: string}
 */
function passerelle_door_renew() {
	$known = passerelle_door_known();
	// Requests that come meanwhile go on with what is known.
	update_option( PASSERELLE_DOOR_EXITS, array( 'until' => time() + PASSERELLE_DOOR_RETRY_S ) + $known, false );
	$found = passerelle_door_fetch_exits();
	if ( is_string( $found ) ) {
		$known['until'] = time() + PASSERELLE_DOOR_RETRY_S;
		$known['fault'] = $found;
	} else {
		$known['until'] = time() + PASSERELLE_DOOR_FRESH_S;
		$known['exits'] = $found;
		$known['fault'] = '';
	}
	update_option( PASSERELLE_DOOR_EXITS, $known, false );
	return $known;
}

/**
 * The exits of the network's description, or why there are none.
 *
 * @return array<string, string>|string
 */
function passerelle_door_fetch_exits() {
	$url    = passerelle_door_broker() . '/v1/network';
	$answer = wp_remote_get(
		$url,
		array(
			'timeout'             => PASSERELLE_DOOR_FETCH_S,
			'redirection'         => 0,
			'limit_response_size' => PASSERELLE_DOOR_DOCUMENT_BYTES,
			'user-agent'          => 'Passerelle',
		)
	);
	if ( is_wp_error( $answer ) || wp_remote_retrieve_response_code( $answer ) !== 200 ) {
		$why = is_wp_error( $answer ) ? $answer->get_error_message() : (string) wp_remote_retrieve_response_code( $answer );
		/* translators: 1: an address, 2: what happened. */
		return sprintf( __( 'Your server cannot get the network’s description from %1$s: %2$s', 'passerelle' ), $url, $why );
	}
	$told = passerelle_door_signed( wp_remote_retrieve_body( $answer ) );
	if ( null === $told ) {
		/* translators: %s: an address. */
		return sprintf( __( 'What %s answers is not signed with the key in your tag. Take the tag anew from the network’s operator.', 'passerelle' ), $url );
	}
	return passerelle_door_exits_in( $told );
}

/**
 * What the operator has signed; null if it is somebody else's, or has expired.
 *
 * @param string $document What the broker answered.
 * @return array<mixed>|null
 */
function passerelle_door_signed( $document ) {
	$envelope  = json_decode( $document, true );
	$key       = base64_decode( strtr( preg_replace( '~\A.*#~', '', passerelle_settings()['network'] ), '-_', '+/' ), true );
	$payload   = is_array( $envelope ) ? passerelle_text( $envelope, 'payload' ) : '';
	$signature = is_array( $envelope ) ? base64_decode( passerelle_text( $envelope, 'signature' ), true ) : false;
	if ( ! is_string( $signature ) || strlen( $signature ) !== 64 || ! is_string( $key ) || strlen( $key ) !== 32 ) {
		return null;
	}
	if ( ! sodium_crypto_sign_verify_detached( $signature, 'passerelle descriptor 1 ' . $payload, $key ) ) {
		return null;
	}
	$told = json_decode( $payload, true );
	return is_array( $told ) && isset( $told['expires_s'] ) && $told['expires_s'] >= time() ? $told : null;
}

/**
 * The exits that a description names.
 *
 * @param array<mixed> $told The description.
 * @return array<string, string>
 */
function passerelle_door_exits_in( array $told ) {
	$exits  = array();
	$listed = isset( $told['exits'] ) && is_array( $told['exits'] ) ? $told['exits'] : array();
	foreach ( array_slice( $listed, 0, PASSERELLE_DOOR_EXITS_MOST ) as $exit ) {
		$exit = is_array( $exit ) ? $exit : array();
		$name = passerelle_text( $exit, 'id' );
		// An exit is named by the address for links, beside which its gateway is.
		if ( preg_match( '~\A[a-z0-9-]{1,32}\z~', $name ) && preg_match( '~\Aws(s?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._\~/-]*)?)/v1/link\z~', passerelle_text( $exit, 'url' ), $found ) ) {
			$exits[ $name ] = 'http' . $found[1];
		}
	}
	return $exits;
}
