<?php
/**
 * A door: readers whose network blocks the broker reach it through this file.
 *
 * Put it anywhere on a web server with PHP 7.4 or later, with the settings below filled in. Its base
 * URL is its own address, for example https://news.example/door.php. It passes on sealed messages of
 * fixed sizes to the two addresses below and nothing else, keeps nothing, and tells nobody who asked.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 */

const BROKER = 'https://bridge.example';
const EXITS  = array( 'exit-1' => 'https://bridge.example' );
const KEY    = 'THE-KEY';

/** How many requests this door carries at once, so that the site's own visitors keep their workers. */
const AT_ONCE = 8;
/** Seconds that one request may take, and that the other side may say nothing. */
const LONGEST_S = 300;
const SILENCE_S = 30;
/** Bytes that sealing adds to a rendezvous message, and to a request for the gateway. */
const RENDEZVOUS_OVERHEAD = 48;
const GATEWAY_OVERHEAD    = 56;
const LARGEST             = 2097152;

/**
 * Where a request leads, and the bytes that its body may have; null for what is no request to a door.
 *
 * @param string $method Of the request.
 * @param string $path   Its path.
 * @return array{string, int[]}|null
 */
function door_target( $method, $path ) {
	if ( $method === 'GET' && preg_match( '~/v1/network\z~', $path ) ) {
		return array( BROKER . '/v1/network', array( 0 ) );
	}
	if ( $method === 'POST' && preg_match( '~/v1/rendezvous\z~', $path ) ) {
		return array( BROKER . '/v1/rendezvous', door_sizes( 1024, 8192, RENDEZVOUS_OVERHEAD ) );
	}
	if ( $method === 'POST' && preg_match( '~/v1/gateway/([a-z0-9-]{1,32})\z~', $path, $found ) && isset( EXITS[ $found[1] ] ) ) {
		return array( EXITS[ $found[1] ] . '/v1/gateway', door_sizes( 512, LARGEST, GATEWAY_OVERHEAD ) );
	}
	return null;
}

/**
 * The lengths of sealed messages, whose contents are padded to powers of two.
 *
 * @return int[]
 */
function door_sizes( $least, $most, $overhead ) {
	for ( $sizes = array(); $least <= $most; $least *= 2 ) {
		$sizes[] = $least + $overhead;
	}
	return $sizes;
}

/** Take one of the places, until the request ends; null if there is none. */
function door_place() {
	for ( $n = 0; $n < AT_ONCE; $n++ ) {
		$place = fopen( sys_get_temp_dir() . '/passerelle-door-' . md5( __FILE__ ) . "-$n", 'c' );
		if ( $place && flock( $place, LOCK_EX | LOCK_NB ) ) {
			return $place;
		}
	}
	return null;
}

/** Answer the present request. */
function door_answer() {
	$path   = (string) parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
	$target = door_target( $_SERVER['REQUEST_METHOD'], $path );
	$length = isset( $_SERVER['CONTENT_LENGTH'] ) ? (int) $_SERVER['CONTENT_LENGTH'] : 0;
	if ( ! $target || ! in_array( $length, $target[1], true ) ) {
		http_response_code( 404 );
		return;
	}
	$place = door_place();
	if ( ! $place ) {
		header( 'Retry-After: 5' );
		header( 'Access-Control-Allow-Origin: *' );
		http_response_code( 503 );
		return;
	}
	set_time_limit( LONGEST_S );
	$options = array(
		'method'           => $_SERVER['REQUEST_METHOD'],
		'header'           => array( 'Passerelle-Door: ' . KEY, 'Connection: close' ),
		'protocol_version' => 1.1,
		'follow_location'  => 0,
		'ignore_errors'    => true,
		'timeout'          => SILENCE_S,
	);
	if ( $length ) {
		$options['header'][] = 'Content-Type: application/octet-stream';
		$options['content']  = (string) file_get_contents( 'php://input', false, null, 0, $length );
	}
	$answer = @fopen( $target[0], 'rb', false, stream_context_create( array( 'http' => $options ) ) );
	if ( ! $answer ) {
		header( 'Access-Control-Allow-Origin: *' );
		http_response_code( 502 );
		return;
	}
	door_pass_on( $answer, stream_get_meta_data( $answer )['wrapper_data'] );
}

/**
 * Pass an answer on as it comes.
 *
 * @param resource $answer The body.
 * @param string[] $lines  Its status line and fields.
 */
function door_pass_on( $answer, array $lines ) {
	http_response_code( (int) substr( $lines[0], 9, 3 ) );
	header_remove();
	header( 'X-Accel-Buffering: no' );
	foreach ( $lines as $line ) {
		if ( preg_match( '~\A(content-type|cache-control|access-control-allow-origin):~i', $line ) ) {
			header( $line );
		}
	}
	while ( ob_get_level() ) {
		ob_end_clean();
	}
	// PHP's own limit leaves out the time in which it waits, and a reader who takes little has it wait.
	$until = time() + LONGEST_S;
	while ( ! connection_aborted() && time() < $until ) {
		$part = door_part( $answer );
		if ( $part === '' ) {
			break;
		}
		echo $part;
		flush();
	}
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
function door_part( $answer ) {
	$part = (string) fread( $answer, 1 );
	$more = stream_get_meta_data( $answer )['unread_bytes'];
	return $more > 0 ? $part . fread( $answer, $more ) : $part;
}

door_answer();
