<?php
/**
 * What bounds a door: how much at once, in a minute and in a day, for one network and for all.
 *
 * One file of fixed size holds the counters, in the folder for temporary files; no task has to
 * clean it, because each minute and each day begins by itself. An address is not in it: which counter
 * counts for a network follows from a keyed hash, which is another one each minute.
 *
 * | bytes | what                                                  |
 * |-------|-------------------------------------------------------|
 * | 4     | the minute that the counters are of, since 1970        |
 * | 4     | requests in it                                        |
 * | 4     | the day that the bytes are of, since 1970              |
 * | 8     | bytes in it                                           |
 * | 4096  | requests in that minute, of 2048 groups of networks   |
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** Requests that are carried at once, so that the site's own visitors keep their PHP processes. */
const PASSERELLE_DOOR_AT_ONCE = 6;
/** Requests in a minute of one network (IPv4: 256 addresses, IPv6: a /48), and of all. */
const PASSERELLE_DOOR_NETWORK_MOST = 180;
const PASSERELLE_DOOR_MINUTE_MOST  = 600;
const PASSERELLE_DOOR_COUNTERS     = 2048;
const PASSERELLE_DOOR_HEAD_BYTES   = 20;
const PASSERELLE_DOOR_GIGABYTE     = 1000000000;

/**
 * Run `$change` with the numbers of the counters' head, and keep what it makes of them.
 *
 * @param callable $change Takes the open file and the head by reference; its result is returned.
 * @return mixed Null where the counters cannot be kept.
 */
function passerelle_door_count( callable $change ) {
	$file = fopen( passerelle_door_file(), 'c+b' );
	if ( ! $file || ! flock( $file, LOCK_EX ) ) {
		return null;
	}
	// What PHP has read ahead would outlive that the file is emptied.
	stream_set_read_buffer( $file, 0 );
	$text = (string) fread( $file, PASSERELLE_DOOR_HEAD_BYTES );
	$head = unpack( 'Nminute/Nrequests/Nday/Jbytes', str_pad( $text, PASSERELLE_DOOR_HEAD_BYTES, "\0" ) );
	if ( intdiv( time(), 60 ) !== $head['minute'] ) {
		$head['minute']   = intdiv( time(), 60 );
		$head['requests'] = 0;
		ftruncate( $file, PASSERELLE_DOOR_HEAD_BYTES );
		ftruncate( $file, PASSERELLE_DOOR_HEAD_BYTES + 2 * PASSERELLE_DOOR_COUNTERS );
	}
	if ( intdiv( time(), 86400 ) !== $head['day'] ) {
		$head['day']   = intdiv( time(), 86400 );
		$head['bytes'] = 0;
	}
	$told = $change( $file, $head );
	rewind( $file );
	fwrite( $file, pack( 'NNNJ', $head['minute'], $head['requests'], $head['day'], $head['bytes'] ) );
	fclose( $file );
	return $told;
}

/**
 * Count a request of `$address`, and return the status with which it is refused; 0 if it is not.
 *
 * @param string $address Of whoever asks.
 */
function passerelle_door_admit( $address ) {
	$refused = passerelle_door_count(
		function ( $file, array &$head ) use ( $address ) {
			$network = passerelle_door_network_of( $address );
			$mark    = hash_hmac( 'sha256', $head['minute'] . ' ' . $network, wp_salt(), true );
			$at      = PASSERELLE_DOOR_HEAD_BYTES + 2 * ( unpack( 'n', $mark )[1] % PASSERELLE_DOOR_COUNTERS );
			fseek( $file, $at );
			$count = unpack( 'n', str_pad( (string) fread( $file, 2 ), 2, "\0" ) )[1];
			if ( $count >= PASSERELLE_DOOR_NETWORK_MOST ) {
				return 429;
			}
			if ( $head['requests'] >= PASSERELLE_DOOR_MINUTE_MOST ) {
				return 503;
			}
			++$head['requests'];
			fseek( $file, $at );
			fwrite( $file, pack( 'n', $count + 1 ) );
			return 0;
		}
	);
	return null === $refused ? 503 : $refused;
}

/**
 * Count bytes that were carried, and return whether today has room for more.
 *
 * @param int $bytes Since the last time.
 */
function passerelle_door_has_room( $bytes ) {
	$most = (int) passerelle_door_settings()['daily'] * PASSERELLE_DOOR_GIGABYTE;
	return (bool) passerelle_door_count(
		function ( $file, array &$head ) use ( $bytes, $most ) {
			$head['bytes'] += $bytes;
			return $head['bytes'] < $most;
		}
	);
}

/** Take one of the places, until the request ends; null if all are taken. */
function passerelle_door_place() {
	for ( $n = 0; $n < PASSERELLE_DOOR_AT_ONCE; $n++ ) {
		$place = fopen( passerelle_door_file() . "-$n", 'cb' );
		if ( $place && flock( $place, LOCK_EX | LOCK_NB ) ) {
			return $place;
		}
	}
	return null;
}

/**
 * The network that counts as one: the neighbours of an address belong to the same people.
 *
 * @param string $address As the web server knows it.
 */
function passerelle_door_network_of( $address ) {
	$bytes = (string) @inet_pton( $address );
	if ( strlen( $bytes ) === 16 && substr( $bytes, 0, 12 ) === "\0\0\0\0\0\0\0\0\0\0\xff\xff" ) {
		$bytes = substr( $bytes, 12 );
	}
	return substr( $bytes, 0, strlen( $bytes ) === 4 ? 3 : 6 );
}

/** The path of the counters, which no other user of the machine can guess; empty if it cannot be written. */
function passerelle_door_file() {
	$folder = get_temp_dir();
	$name   = hash_hmac( 'sha256', 'passerelle door ' . home_url(), wp_salt() );
	return is_writable( $folder ) ? $folder . 'passerelle-' . substr( $name, 0, 32 ) : '';
}

/** Remove the counters and the places. */
function passerelle_door_clear() {
	$file = passerelle_door_file();
	for ( $n = 0; $file && $n < PASSERELLE_DOOR_AT_ONCE; $n++ ) {
		is_file( "$file-$n" ) && unlink( "$file-$n" );
	}
	$file && is_file( $file ) && unlink( $file );
}
