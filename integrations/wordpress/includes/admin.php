<?php
/**
 * The page at Settings › Passerelle.
 *
 * WordPress' own options.php takes the form: it checks the nonce that settings_fields() prints and
 * the capability to manage options, and stores what passerelle_save() returns.
 *
 * The tag names a script that runs in every visitor's page, so changing it takes the capability
 * that writing a script into a post takes. Administrators have it, unless the site is one of a
 * multisite or says DISALLOW_UNFILTERED_HTML.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

const PASSERELLE_GROUP = 'passerelle';

/** Whether the person who asks may change the tag. */
function passerelle_may_change_tag() {
	return current_user_can( 'unfiltered_html' );
}

/** Declare the option. */
function passerelle_register() {
	register_setting(
		PASSERELLE_GROUP,
		PASSERELLE_OPTION,
		array(
			'type'              => 'array',
			'sanitize_callback' => 'passerelle_save',
			'default'           => array(),
			'show_in_rest'      => false,
		)
	);
}

/**
 * Clean what the form sent, and say what of it could not be used.
 *
 * @param mixed $given Fields of the form.
 * @return array<string, string>
 */
function passerelle_save( $given ) {
	$given = is_array( $given ) ? $given : array();
	$tag   = passerelle_text( $given, 'tag' );
	if ( ! passerelle_may_change_tag() ) {
		// The fields that come from the tag count as little as the tag itself.
		$given = passerelle_tag_fields( passerelle_settings() ) + array_diff_key( $given, array( 'tag' => '' ) );
		if ( '' !== $tag ) {
			add_settings_error( PASSERELLE_OPTION, 'passerelle_tag', passerelle_why_no_tag() );
		}
		return passerelle_sanitize( $given );
	}
	$clean = passerelle_sanitize( $given );
	if ( '' === $tag ) {
		return $clean;
	}
	if ( ! passerelle_is_ready( $clean ) ) {
		add_settings_error(
			PASSERELLE_OPTION,
			'passerelle_tag',
			__( 'This is not a whole tag, so no switch is shown. Copy both lines from your network’s /embed page: the script with its integrity, and the switch with its network.', 'passerelle' )
		);
	}
	return $clean;
}

/**
 * The settings that the tag decides.
 *
 * @param array<string, string> $settings Clean settings.
 * @return array<string, string>
 */
function passerelle_tag_fields( array $settings ) {
	return array_intersect_key( $settings, PASSERELLE_FORMS );
}

/** Why somebody cannot change the tag, and who can. */
function passerelle_why_no_tag() {
	return is_multisite()
		? __( 'The tag runs a script on your site. Only an administrator of the whole network of sites can change it (the capability unfiltered_html).', 'passerelle' )
		: __( 'The tag runs a script on your site. This site lets nobody with your role do that (the capability unfiltered_html).', 'passerelle' );
}

/** Add the page to the menu. */
function passerelle_menu() {
	add_options_page( 'Passerelle', 'Passerelle', 'manage_options', 'passerelle', 'passerelle_page' );
}

/**
 * Link the page from the list of plugins.
 *
 * @param array<string> $links The links there.
 * @return array<string>
 */
function passerelle_action_links( $links ) {
	$url = esc_url( admin_url( 'options-general.php?page=passerelle' ) );
	array_unshift( $links, '<a href="' . $url . '">' . esc_html__( 'Settings', 'passerelle' ) . '</a>' );
	return $links;
}

/** Print the page. */
function passerelle_page() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	$settings = passerelle_settings();
	?>
	<div class="wrap">
		<h1>Passerelle</h1>
		<form action="<?php echo esc_url( admin_url( 'options.php' ) ); ?>" method="post">
			<?php settings_fields( PASSERELLE_GROUP ); ?>
			<table class="form-table" role="presentation">
				<tr>
					<th scope="row"><label for="passerelle-tag"><?php esc_html_e( 'Tag', 'passerelle' ); ?></label></th>
					<td>
						<textarea id="passerelle-tag" class="large-text code" rows="5" spellcheck="false" aria-describedby="passerelle-tag-hint"
						<?php if ( passerelle_may_change_tag() ) : ?>
							name="<?php echo esc_attr( PASSERELLE_OPTION ); ?>[tag]"
						<?php else : ?>
							readonly
						<?php endif; ?>
						><?php echo esc_textarea( passerelle_tag_text( $settings ) ); ?></textarea>
						<p class="description" id="passerelle-tag-hint">
							<?php if ( passerelle_may_change_tag() ) : ?>
								<?php esc_html_e( 'The two lines that your network’s /embed page writes. How the switch looks is chosen below.', 'passerelle' ); ?>
							<?php else : ?>
								<?php echo esc_html( passerelle_why_no_tag() ); ?>
							<?php endif; ?>
						</p>
					</td>
				</tr>
				<?php
				passerelle_field( $settings, 'position', __( 'Where', 'passerelle' ), passerelle_position_words() );
				passerelle_field( $settings, 'layout', __( 'Layout', 'passerelle' ), passerelle_layout_words() );
				passerelle_field( $settings, 'theme', __( 'Theme', 'passerelle' ), passerelle_theme_words() );
				passerelle_field( $settings, 'lang', __( 'Language', 'passerelle' ), passerelle_language_words() );
				passerelle_field( $settings, 'keep', __( 'Going on after the page', 'passerelle' ), passerelle_keep_words() );
				?>
			</table>
			<?php passerelle_door_section(); ?>
			<?php submit_button(); ?>
		</form>
		<?php passerelle_survive_section(); ?>
		<?php if ( passerelle_is_ready( $settings ) ) : ?>
			<h2><?php esc_html_e( 'Content Security Policy', 'passerelle' ); ?></h2>
			<p>
				<?php esc_html_e( 'If your site sends this header, add the lines that the same page gives:', 'passerelle' ); ?>
				<a href="<?php echo esc_url( passerelle_embed_url( $settings ) ); ?>" rel="noopener noreferrer"><?php echo esc_html( passerelle_embed_url( $settings ) ); ?></a>
			</p>
		<?php endif; ?>
	</div>
	<?php
}

/**
 * One row with a menu.
 *
 * @param array<string, string> $settings Clean settings.
 * @param string                $name     Which of them.
 * @param string                $title    Its label.
 * @param array<string, string> $words    What each choice is called.
 */
function passerelle_field( array $settings, $name, $title, array $words ) {
	$id = 'passerelle-' . $name;
	?>
	<tr>
		<th scope="row"><label for="<?php echo esc_attr( $id ); ?>"><?php echo esc_html( $title ); ?></label></th>
		<td>
			<select id="<?php echo esc_attr( $id ); ?>" name="<?php echo esc_attr( PASSERELLE_OPTION . '[' . $name . ']' ); ?>">
				<?php foreach ( PASSERELLE_CHOICES[ $name ] as $choice ) : ?>
					<option value="<?php echo esc_attr( $choice ); ?>"<?php selected( $settings[ $name ], $choice ); ?>><?php echo esc_html( $words[ $choice ] ); ?></option>
				<?php endforeach; ?>
			</select>
		</td>
	</tr>
	<?php
}

/** Names of the positions. */
function passerelle_position_words() {
	return array(
		'shortcode' => __( 'Where I write [passerelle]', 'passerelle' ),
		'before'    => __( 'Before each post and page', 'passerelle' ),
		'after'     => __( 'After each post and page', 'passerelle' ),
		'floating'  => __( 'Floating, on all pages', 'passerelle' ),
	);
}

/** Names of the layouts. */
function passerelle_layout_words() {
	return array(
		'panel'  => __( 'Panel', 'passerelle' ),
		'inline' => __( 'Inline', 'passerelle' ),
		'banner' => __( 'Banner', 'passerelle' ),
	);
}

/** Names of the themes. */
function passerelle_theme_words() {
	return array(
		'auto'  => __( 'Visitor’s system', 'passerelle' ),
		'light' => __( 'Light', 'passerelle' ),
		'dark'  => __( 'Dark', 'passerelle' ),
	);
}

/** Names of what a visitor who helps may be offered. */
function passerelle_keep_words() {
	return array(
		'offered' => __( 'Is offered: a small window, and the extension that the tag names', 'passerelle' ),
		'none'    => __( 'Is not offered', 'passerelle' ),
	);
}

/** Names of the languages, each in itself. */
function passerelle_language_words() {
	return array(
		''        => __( 'The page’s', 'passerelle' ),
		'en'      => 'English',
		'zh-Hans' => '简体中文',
		'zh-Hant' => '繁體中文',
		'fa'      => 'فارسی',
		'ru'      => 'Русский',
		'ar'      => 'العربية',
		'ug'      => 'ئۇيغۇرچە',
		'tr'      => 'Türkçe',
		'my'      => 'မြန်မာ',
		'vi'      => 'Tiếng Việt',
		'es'      => 'Español',
		'fr'      => 'Français',
		'de'      => 'Deutsch',
	);
}

/**
 * The tag again, from what was kept of it.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_tag_text( array $settings ) {
	if ( ! passerelle_is_ready( $settings ) ) {
		return '';
	}
	return '<script type="module" src="' . $settings['src'] . '" integrity="' . $settings['integrity'] . '" crossorigin></script>' . "\n"
		. '<passerelle-switch network="' . $settings['network'] . '"' . passerelle_extension_attributes( $settings ) . '></passerelle-switch>';
}

/**
 * The page of the network's broker that wrote the tag.
 *
 * @param array<string, string> $settings Clean settings.
 */
function passerelle_embed_url( array $settings ) {
	return preg_replace( '~/#.*\z~', '/embed', $settings['network'] );
}
