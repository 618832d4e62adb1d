<?php
/**
 * The door: sealed messages of readers are passed on to the network, and their answers back.
 *
 * It answers before WordPress looks for a page, and only what docs/PROTOCOL.md §4.1 names, so that a
 * request costs little and starts no scheduled task. It passes nothing of a reader on, follows no
 * redirect, and writes no log.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** Seconds that one request may take, and that the other side may say nothing. */
const PASSERELLE_DOOR_LONGEST_S = 300;
const PASSERELLE_DOOR_SILENCE_S = 30;
/** Bytes of contents, which are padded to powers of two, and what sealing adds to them. */
const PASSERELLE_DOOR_RENDEZVOUS = array( 1024, 8192, 48 );
const PASSERELLE_DOOR_GATEWAY    = array( 512, 2097152, 56 );
/** Bytes between two looks at what a day has left. */
const PASSERELLE_DOOR_LOOK_BYTES = 262144;

/** Answer the present request and end it, if it is one for the door. */
function passerelle_door_open() {
	$asked = isset( $_SERVER['REQUEST_URI'] ) ? (string) wp_parse_url( wp_unslash( $_SERVER['REQUEST_URI'] ), PHP_URL_PATH ) : '';
	if ( strpos( $asked, PASSERELLE_DOOR_PATH . '/' ) === false ) {
		return;
	}
	$home = untrailingslashit( (string) wp_parse_url( home_url(), PHP_URL_PATH ) );
	$form = '~\A' . preg_quote( $home, '~' ) . '(?:/index\.php)?' . PASSERELLE_DOOR_PATH . '(/.*)\z~';
	$door = passerelle_door_settings();
	if ( '' === $door['on'] || '' === $door['key'] || '' === passerelle_settings()['network'] || ! preg_match( $form, $asked, $found ) ) {
		return;
	}
	passerelle_door_answer( $found[1], $door['key'] );
	exit;
}

/**
 * Answer a request below the door's base URL.
 *
 * @param string $path What follows the base URL.
 * @param string $key  By which the network knows this door.
 */
function passerelle_door_answer( $path, $key ) {
	// Plugins that keep pages look for this.
	defined( 'DONOTCACHEPAGE' ) || define( 'DONOTCACHEPAGE', true );
	$method = isset( $_SERVER['REQUEST_METHOD'] ) ? $_SERVER['REQUEST_METHOD'] : '';
	$length = isset( $_SERVER['CONTENT_LENGTH'] ) ? (int) $_SERVER['CONTENT_LENGTH'] : 0;
	$target = passerelle_door_target( $method, $path, $length );
	if ( null === $target ) {
		passerelle_door_refuse( 404 );
		return;
	}
	$refused = passerelle_door_admit( isset( $_SERVER['REMOTE_ADDR'] ) ? $_SERVER['REMOTE_ADDR'] : '' );
	$place   = $refused ? null : passerelle_door_place();
	if ( ! $place || ! passerelle_door_has_room( $length ) ) {
		passerelle_door_refuse( $refused ? $refused : 503 );
		return;
	}
	$body = (string) file_get_contents( 'php://input', false, null, 0, $length );
	if ( strlen( $body ) !== $length ) {
		passerelle_door_refuse( 404 );
		return;
	}
	// A host may have forbidden to set it.
	function_exists( 'set_time_limit' ) && set_time_limit( PASSERELLE_DOOR_LONGEST_S );
	$answer = passerelle_door_ask( $method, $target, $body, $key );
	$lines  = $answer ? stream_get_meta_data( $answer )['wrapper_data'] : array();
	if ( ! $lines || '3' === substr( $lines[0], 9, 1 ) ) {
		passerelle_door_refuse( 502 );
		return;
	}
	passerelle_door_pass_on( $answer, $lines );
}

/**
 * Where a request leads; null for what is no sealed message of one of the sizes that there are.
 *
 * @param string $method Of the request.
 * @param string $path   What follows the base URL.
 * @param int    $length Of its body.
 */
function passerelle_door_target( $method, $path, $length ) {
	if ( 'GET' === $method && '/v1/network' === $path && 0 === $length ) {
		return passerelle_door_broker() . $path;
	}
	if ( 'POST' === $method && '/v1/rendezvous' === $path && passerelle_door_is_sealed( $length, PASSERELLE_DOOR_RENDEZVOUS ) ) {
		return passerelle_door_broker() . $path;
	}
	if ( 'POST' === $method && preg_match( '~\A/v1/gateway/([a-z0-9-]{1,32})\z~', $path, $found ) && passerelle_door_is_sealed( $length, PASSERELLE_DOOR_GATEWAY ) ) {
		$exits = passerelle_door_exits();
		return isset( $exits[ $found[1] ] ) ? $exits[ $found[1] ] . '/v1/gateway' : null;
	}
	return null;
}

/**
 * Whether a body of `$length` bytes may be a sealed message.
 *
 * @param int   $length Of the body.
 * @param int[] $sizes  Least and most bytes of the contents, and what sealing adds.
 */
function passerelle_door_is_sealed( $length, array $sizes ) {
	list( $least, $most, $overhead ) = $sizes;
	$size = $length - $overhead;
	return $size >= $least && $size <= $most && 0 === ( $size & ( $size - 1 ) );
}

/**
 * Ask the network, and return the answer as an open stream; false if there is none.
 *
 * @param string $method Of the request.
 * @param string $url    Of the broker or exit.
 * @param string $body   The sealed message.
 * @param string $key    By which the network knows this door.
 * @return resource|false
 */
function passerelle_door_ask( $method, $url, $body, $key ) {
	$fields = array( "Passerelle-Door: $key", 'Connection: close' );
	if ( '' !== $body ) {
		$fields[] = 'Content-Type: application/octet-stream';
	}
	$options = array(
		'http' => array(
			'method'           => $method,
			'header'           => $fields,
			'content'          => $body,
			'protocol_version' => 1.1,
			'follow_location'  => 0,
			'ignore_errors'    => true,
			'timeout'          => PASSERELLE_DOOR_SILENCE_S,
		),
		// Not every server's PHP knows where its certificates are; WordPress brings its own.
		'ssl'  => array( 'cafile' => ABSPATH . WPINC . '/certificates/ca-bundle.crt' ),
	);
	// A failure is told by the result; PHP's warning would write the address into a log.
	return @fopen( $url, 'rb', false, stream_context_create( $options ) );
}

/**
 * Pass an answer on as it comes.
 *
 * @param resource $answer The body.
 * @param string[] $lines  Its status line and fields.
 */
function passerelle_door_pass_on( $answer, array $lines ) {
	header_remove();
	http_response_code( (int) substr( $lines[0], 9, 3 ) );
	header( 'X-Accel-Buffering: no' );
	foreach ( $lines as $line ) {
		if ( preg_match( '~\A(content-type|cache-control|access-control-allow-origin):~i', $line ) ) {
			header( $line );
		}
	}
	ini_set( 'zlib.output_compression', '0' );
	while ( ob_get_level() && ob_end_clean() ) {
		continue;
	}
	$bytes = 0;
	// PHP's own limit leaves out the time in which it waits, and a reader who takes little has it wait.
	$until = time() + PASSERELLE_DOOR_LONGEST_S;
	while ( ! connection_aborted() && time() < $until ) {
		$part = passerelle_door_part( $answer );
		if ( '' === $part ) {
			break;
		}
		// What passes is sealed, and no text of this site's.
		echo $part; // phpcs:ignore WordPress.Security.EscapeOutput
		flush();
		$bytes += strlen( $part );
		if ( $bytes >= PASSERELLE_DOOR_LOOK_BYTES ) {
			if ( ! passerelle_door_has_room( $bytes ) ) {
				break;
			}
			$bytes = 0;
		}
	}
	passerelle_door_has_room( $bytes );
	fclose( $answer );
}

/**
 * Wait for more of an answer, and return what there is of it; empty at its end, and after a silence.
 *
 * Of an answer in chunks PHP waits for as many bytes as are asked for. So it is asked for one, and then
 * for those that it has by then.
 *
 * @param resource $answer The body.
 */
function passerelle_door_part( $answer ) {
	$part = (string) fread( $answer, 1 );
	$more = stream_get_meta_data( $answer )['unread_bytes'];
	return $more > 0 ? $part . fread( $answer, $more ) : $part;
}

/**
 * Answer with a status and nothing else. A reading page of any site may see it.
 *
 * @param int $status Of the answer.
 */
function passerelle_door_refuse( $status ) {
	header_remove();
	http_response_code( $status );
	header( 'Access-Control-Allow-Origin: *' );
	header( 'Cache-Control: no-store' );
	if ( 404 !== $status ) {
		header( 'Retry-After: ' . ( 502 === $status ? 5 : 30 ) );
	}
}
