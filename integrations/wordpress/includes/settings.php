<?php
/**
 * What the site's owner decides, and what of it makes sense.
 *
 * Everything that is stored or printed has gone through passerelle_sanitize(): an option may have
 * been written by an older version, an import, or another plugin.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** The values that each choice may have; the first is the usual one. */
const PASSERELLE_CHOICES = array(
	'layout'   => array( 'panel', 'inline', 'banner' ),
	'theme'    => array( 'auto', 'light', 'dark' ),
	'position' => array( 'shortcode', 'before', 'after', 'floating' ),
	'keep'     => array( 'offered', 'none' ),
	'lang'     => array( '', 'en', 'zh-Hans', 'zh-Hant', 'fa', 'ru', 'ar', 'ug', 'tr', 'my', 'vi', 'es', 'fr', 'de' ),
);

/** The form of a link to the network's browser extension. */
const PASSERELLE_LINK = '~\Ahttps://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._\~/?&=%+-]*)?\z~';

/** The form of what the network's operator gives; none of it can leave an attribute. */
const PASSERELLE_FORMS = array(
	'network'   => '~\Ahttps?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._\~/-]*)?/#[A-Za-z0-9_-]{43}\z~',
	'src'       => '~\Ahttps?://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._\~/-]+\.js\z~',
	'integrity' => '~\Asha384-[A-Za-z0-9+/]{64}\z~',
	'chromium'  => PASSERELLE_LINK,
	'firefox'   => PASSERELLE_LINK,
);

/**
 * The settings in force.
 *
 * @return array<string, string>
 */
function passerelle_settings() {
	return passerelle_sanitize( get_option( PASSERELLE_OPTION, array() ) );
}

/**
 * Keep what makes sense, and put the usual value in the place of what does not.
 *
 * @param mixed $given Fields of the settings form, or an option's value.
 * @return array<string, string>
 */
function passerelle_sanitize( $given ) {
	$given = is_array( $given ) ? $given : array();
	if ( passerelle_text( $given, 'tag' ) !== '' ) {
		$given = array_merge( $given, passerelle_read_tag( passerelle_text( $given, 'tag' ) ) );
	}
	$clean = array();
	foreach ( PASSERELLE_FORMS as $name => $form ) {
		$value          = passerelle_text( $given, $name );
		$clean[ $name ] = preg_match( $form, $value ) ? $value : '';
	}
	foreach ( PASSERELLE_CHOICES as $name => $choices ) {
		$value          = passerelle_text( $given, $name );
		$clean[ $name ] = in_array( $value, $choices, true ) ? $value : $choices[0];
	}
	return $clean;
}

/**
 * Whether there is enough to show a switch.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_is_ready( array $settings ) {
	return $settings['network'] !== '' && $settings['src'] !== '' && $settings['integrity'] !== '';
}

/**
 * Take network, script, hash and the links to its extension out of the tag that the network's operator gave.
 *
 * The result is as little to be trusted as the tag is.
 *
 * @param string $tag The two lines, as `passerelle embed` and a broker's /embed page write them.
 * @return array<string, string>
 */
function passerelle_read_tag( $tag ) {
	$found = array();
	foreach ( array_keys( PASSERELLE_FORMS ) as $name ) {
		$found[ $name ] = '';
		if ( preg_match( '~\s' . $name . '\s*=\s*"([^"]*)"~', $tag, $match ) ) {
			$found[ $name ] = html_entity_decode( $match[1], ENT_QUOTES | ENT_HTML5, 'UTF-8' );
		}
	}
	return $found;
}

/**
 * A field's text, empty for anything that is none.
 *
 * @param array<mixed> $given Where to look.
 * @param string       $name  The field.
 */
function passerelle_text( array $given, $name ) {
	return isset( $given[ $name ] ) && is_string( $given[ $name ] ) ? trim( $given[ $name ] ) : '';
}
