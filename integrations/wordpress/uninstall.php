<?php
/**
 * Leave nothing behind when the plugin is deleted.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/** Remove what the present site has of the plugin. */
function passerelle_forget() {
	array_map( 'delete_option', array( 'passerelle_settings', 'passerelle_door', 'passerelle_door_exits', 'passerelle_survive' ) );
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $passerelle_site ) {
		switch_to_blog( $passerelle_site );
		passerelle_forget();
		restore_current_blog();
	}
} else {
	passerelle_forget();
}
