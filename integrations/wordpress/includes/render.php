<?php
/**
 * The switch in the site's pages.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/**
 * Print `[passerelle layout="…" theme="…" lang="…"]`.
 *
 * @param mixed $attributes What the author wrote; WordPress gives '' for nothing.
 */
function passerelle_shortcode( $attributes ) {
	$settings = passerelle_settings();
	if ( ! passerelle_is_ready( $settings ) ) {
		// Visitors see nothing; whoever can put it right is told how.
		return current_user_can( 'manage_options' )
			? '<p>' . esc_html__( 'Passerelle: put your network’s tag in at Settings › Passerelle.', 'passerelle' ) . '</p>'
			: '';
	}
	$own = is_array( $attributes ) ? $attributes : array();
	foreach ( array( 'layout', 'theme', 'lang' ) as $name ) {
		if ( isset( $own[ $name ] ) && in_array( $own[ $name ], PASSERELLE_CHOICES[ $name ], true ) ) {
			$settings[ $name ] = $own[ $name ];
		}
	}
	return passerelle_element( $settings );
}

/**
 * Put the switch before or after each post or page that is shown by itself.
 *
 * @param string $content The post.
 */
function passerelle_in_content( $content ) {
	$settings = passerelle_settings();
	$where    = $settings['position'];
	if ( ! in_array( $where, array( 'before', 'after' ), true ) || ! passerelle_is_ready( $settings ) ) {
		return $content;
	}
	if ( ! is_singular() || ! in_the_loop() || ! is_main_query() ) {
		return $content;
	}
	$switch = passerelle_element( $settings );
	return 'before' === $where ? $switch . $content : $content . $switch;
}

/** Put the floating switch on every page, and the script where a switch is. */
function passerelle_footer() {
	$settings = passerelle_settings();
	if ( ! passerelle_is_ready( $settings ) ) {
		return;
	}
	if ( 'floating' === $settings['position'] ) {
		$settings['layout'] = 'floating';
		// Escaped in passerelle_element().
		echo passerelle_element( $settings ); // phpcs:ignore WordPress.Security.EscapeOutput
	}
	if ( passerelle_is_used() ) {
		wp_print_script_tag(
			array(
				'type'        => 'module',
				'src'         => esc_url_raw( $settings['src'] ),
				'integrity'   => $settings['integrity'],
				'crossorigin' => 'anonymous',
			)
		);
	}
}

/**
 * The element as HTML. From the first on, the page gets the script too.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_element( array $settings ) {
	passerelle_is_used( true );
	$words = ' network="' . esc_attr( $settings['network'] ) . '"';
	foreach ( array( 'layout' => 'inline', 'theme' => 'auto', 'lang' => '' ) as $name => $usual ) {
		if ( $settings[ $name ] !== $usual ) {
			$words .= ' ' . $name . '="' . esc_attr( $settings[ $name ] ) . '"';
		}
	}
	return '<passerelle-switch' . $words . '></passerelle-switch>';
}

/**
 * Whether this page has a switch.
 *
 * @param bool $now True when one was just made.
 */
function passerelle_is_used( $now = false ) {
	static $used = false;
	$used        = $used || $now;
	return $used;
}
