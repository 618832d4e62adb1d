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
 * The height that each layout takes in English at a first visit, in a column as wide as it wants.
 *
 * Without this room the text below would jump when the script has come.
 */
const PASSERELLE_ROOM = array(
	'panel'  => '440px',
	'inline' => 'max(78px,118px - 6vw)',
	'banner' => 'max(152px,340px - 22vw)',
);

/**
 * What tells plugins that combine, minify, defer or delay scripts to leave this one alone.
 *
 * A browser refuses a script that no longer has the hash in its tag. The words are those that
 * LiteSpeed Cache, SiteGround Optimizer, WP Rocket, Autoptimize and Cloudflare look for.
 */
const PASSERELLE_UNTOUCHED = array(
	'data-no-optimize' => '1',
	'data-no-defer'    => '1',
	'data-no-minify'   => '1',
	'data-noptimize'   => '1',
	'data-cfasync'     => 'false',
	'nowprocket'       => true,
);

/**
 * Print `[passerelle layout="…" theme="…" lang="…"]`.
 *
 * @param mixed $attributes What the author wrote; WordPress gives '' for nothing.
 */
function passerelle_shortcode( $attributes ) {
	if ( is_feed() ) {
		// Programs that read feeds run no script.
		return '';
	}
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

/** Put the floating switch on every page. */
function passerelle_footer() {
	$settings = passerelle_settings();
	if ( 'floating' === $settings['position'] && passerelle_is_ready( $settings ) ) {
		$settings['layout'] = 'floating';
		// Escaped in passerelle_element().
		echo passerelle_element( $settings ); // phpcs:ignore WordPress.Security.EscapeOutput
	}
}

/**
 * The script and the element as HTML, in every place of the page.
 *
 * They stay together because a cache may keep this place and print it later, in a page for which
 * none of this code has run. A browser loads the script once, however often a page has it.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_element( array $settings ) {
	$words = ' network="' . esc_attr( $settings['network'] ) . '"';
	foreach ( array( 'layout' => 'panel', 'theme' => 'auto', 'lang' => '' ) as $name => $usual ) {
		if ( $settings[ $name ] !== $usual ) {
			$words .= ' ' . $name . '="' . esc_attr( $settings[ $name ] ) . '"';
		}
	}
	$words .= passerelle_keep_attributes( $settings );
	if ( isset( PASSERELLE_ROOM[ $settings['layout'] ] ) ) {
		$words .= ' style="display:block;min-height:' . PASSERELLE_ROOM[ $settings['layout'] ] . '"';
	}
	$words .= passerelle_survive_attribute();
	return passerelle_script( $settings ) . '<passerelle-switch' . $words . '></passerelle-switch>';
}

/**
 * What a visitor who helps is offered to go on with after leaving the page.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_keep_attributes( array $settings ) {
	return 'none' === $settings['keep'] ? ' keep="none"' : passerelle_extension_attributes( $settings );
}

/**
 * The links to the network's extension, as the tag has them.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_extension_attributes( array $settings ) {
	$words = '';
	foreach ( array( 'chromium', 'firefox' ) as $browser ) {
		if ( '' !== $settings[ $browser ] ) {
			$words .= ' ' . $browser . '="' . esc_attr( $settings[ $browser ] ) . '"';
		}
	}
	return $words;
}

/**
 * The script's tag.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_script( array $settings ) {
	return wp_get_script_tag(
		array(
			'type'        => 'module',
			'src'         => esc_url_raw( $settings['src'] ),
			'integrity'   => $settings['integrity'],
			'crossorigin' => 'anonymous',
		) + PASSERELLE_UNTOUCHED
	);
}
