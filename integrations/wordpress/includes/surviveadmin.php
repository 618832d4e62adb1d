<?php
/**
 * The part of the page at Settings › Passerelle about a site that goes on when it is blocked.
 *
 * It is a form of its own, because it sends a file. The file is a program in every visitor's browser, so
 * it takes the capability that the tag takes.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** Take the form, and go back to the page. */
function passerelle_survive_save() {
	check_admin_referer( PASSERELLE_SURVIVE );
	if ( ! current_user_can( 'manage_options' ) || ! passerelle_may_change_tag() ) {
		wp_die( esc_html( passerelle_why_no_tag() ), '', array( 'response' => 403 ) );
	}
	$settings = passerelle_survive_settings();
	$told     = 'saved';
	if ( isset( $_POST['key'] ) ) {
		// One key for good: browsers that have it take no other.
		$settings['key'] = $settings['key'] ? $settings['key'] : base64_encode( sodium_crypto_sign_secretkey( sodium_crypto_sign_keypair() ) );
	} elseif ( isset( $_POST['withdraw'] ) ) {
		$settings['state'] = 'withdrawn';
		$settings['file']  = '';
	} else {
		$file = passerelle_survive_sent();
		if ( '' === $file || '' !== passerelle_survive_fault() ) {
			$told = 'refused';
		} else {
			$settings['state'] = 'on';
			$settings['file']  = $file;
		}
	}
	if ( 'saved' === $told ) {
		passerelle_survive_store( $settings );
	}
	wp_safe_redirect( admin_url( 'options-general.php?page=passerelle&survive=' . $told ) );
	exit;
}

/**
 * Say beside "Deactivate" what has to be done before that. Browsers that know the site's key take an
 * answer without its signature for the censor's, also that of a site without the plugin.
 *
 * @param string[] $meta What the plugin's row in the list of plugins shows.
 * @param string   $file The plugin of the row.
 * @return string[]
 */
function passerelle_survive_warning( $meta, $file ) {
	if ( plugin_basename( dirname( __DIR__ ) . '/passerelle.php' ) === $file && 'on' === passerelle_survive_settings()['state'] ) {
		$meta[] = '<strong id="passerelle-survive-first">' . esc_html__( 'Before you deactivate it: withdraw “Go on when this site is blocked” in its settings, and wait some weeks. Else visitors who were here before may see the reading page instead of your site.', 'passerelle' ) . '</strong>';
	}
	return $meta;
}

/** The file that was sent; empty if it is no worker's file of this site. */
function passerelle_survive_sent() {
	// phpcs:disable WordPress.Security.NonceVerification, WordPress.Security.ValidatedSanitizedInput
	$path = isset( $_FILES['file']['tmp_name'] ) ? $_FILES['file']['tmp_name'] : '';
	if ( ! is_string( $path ) || ! is_uploaded_file( $path ) || filesize( $path ) > PASSERELLE_SURVIVE_BYTES ) {
		return '';
	}
	// phpcs:enable
	$file = (string) file_get_contents( $path );
	$mine = '"' . passerelle_survive_origin() . '"';
	return 0 === strpos( $file, PASSERELLE_SURVIVE_BEGINNING ) && false !== strpos( strtok( $file, ']' ), $mine ) ? $file : '';
}

/**
 * The public key, in base64.
 *
 * @param string $key The secret key, in base64.
 */
function passerelle_survive_public( $key ) {
	return base64_encode( sodium_crypto_sign_publickey_from_secretkey( base64_decode( $key ) ) );
}

/** Print the section. */
function passerelle_survive_section() {
	$settings = passerelle_survive_settings();
	$fault = passerelle_survive_fault();
	$told  = isset( $_GET['survive'] ) ? $_GET['survive'] : ''; // phpcs:ignore WordPress.Security
	?>
	<h2><?php esc_html_e( 'Go on when this site is blocked', 'passerelle' ); ?></h2>
	<p>
		<?php esc_html_e( 'Visitors’ browsers keep a page with which they read your site through volunteers when it cannot be reached. It asks them first, and while your site answers nothing changes.', 'passerelle' ); ?>
	</p>
	<?php if ( 'refused' === $told ) : ?>
		<p class="notice notice-error inline" id="passerelle-survive-refused"><?php esc_html_e( 'This is not the file passerelle-survive.js of this site.', 'passerelle' ); ?></p>
	<?php endif; ?>
	<?php if ( '' !== $fault ) : ?>
		<p class="notice notice-warning inline"><?php echo esc_html( $fault ); ?></p>
	<?php endif; ?>
	<form action="<?php echo esc_url( admin_url( 'admin-post.php' ) ); ?>" method="post" enctype="multipart/form-data" id="passerelle-survive">
		<input type="hidden" name="action" value="passerelle_survive">
		<?php wp_nonce_field( PASSERELLE_SURVIVE ); ?>
		<p id="passerelle-survive-state"><strong>
			<?php
			echo esc_html(
				'on' === $settings['state']
					? __( 'On.', 'passerelle' )
					: ( 'withdrawn' === $settings['state']
						? __( 'Withdrawn. Browsers remove the page at their next visit; leave the plugin active until then.', 'passerelle' )
						: __( 'Off.', 'passerelle' ) )
			);
			?>
		</strong></p>
		<?php if ( passerelle_may_change_tag() ) : ?>
			<p>
				<label for="passerelle-survive-file"><?php esc_html_e( 'The file passerelle-survive.js, from your network’s operator:', 'passerelle' ); ?></label>
				<input type="file" id="passerelle-survive-file" name="file" accept=".js">
			</p>
			<p>
				<button class="button button-primary" name="keep" value="1"><?php esc_html_e( 'Go on when blocked', 'passerelle' ); ?></button>
				<?php if ( 'on' === $settings['state'] ) : ?>
					<button class="button" name="withdraw" value="1"><?php esc_html_e( 'Withdraw', 'passerelle' ); ?></button>
				<?php endif; ?>
			</p>
		<?php else : ?>
			<p><?php echo esc_html( passerelle_why_no_tag() ); ?></p>
		<?php endif; ?>
		<p class="description">
			<?php esc_html_e( 'Where a government signs certificates, have the file made with this site’s key (--site-key):', 'passerelle' ); ?>
			<?php if ( '' === $settings['key'] ) : ?>
				<button class="button" name="key" value="1"><?php esc_html_e( 'Make a key', 'passerelle' ); ?></button>
			<?php else : ?>
				<code id="passerelle-survive-key"><?php echo esc_html( passerelle_survive_public( $settings['key'] ) ); ?></code>
			<?php endif; ?>
		</p>
	</form>
	<?php
}
