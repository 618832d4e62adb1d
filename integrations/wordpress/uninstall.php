<?php
/**
 * Leave nothing behind when the plugin is deleted.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $passerelle_site ) {
		switch_to_blog( $passerelle_site );
		delete_option( 'passerelle_settings' );
		delete_option( 'passerelle_survive' );
		restore_current_blog();
	}
} else {
	delete_option( 'passerelle_settings' );
	delete_option( 'passerelle_survive' );
}
