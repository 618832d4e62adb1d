<?php
/**
 * Caches that other plugins keep of the site's pages.
 *
 * They are emptied by those plugins when a post changes, but none of them knows what this plugin's
 * settings change. Without this, visitors would see the old place, or the old tag, for days.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** The functions by which plugins let others empty their cache of pages. */
const PASSERELLE_EMPTYING = array(
	'wp_cache_clear_cache',      // WP Super Cache.
	'w3tc_flush_all',            // W3 Total Cache.
	'rocket_clean_domain',       // WP Rocket.
	'sg_cachepress_purge_cache', // SiteGround Optimizer.
	'wpfc_clear_all_cache',      // WP Fastest Cache.
);

/** Empty them, as far as there are any. */
function passerelle_empty_caches() {
	foreach ( PASSERELLE_EMPTYING as $function ) {
		if ( function_exists( $function ) ) {
			$function();
		}
	}
	// LiteSpeed Cache and Cache Enabler listen for these.
	do_action( 'litespeed_purge_all' );
	do_action( 'cache_enabler_clear_complete_cache' );
}
