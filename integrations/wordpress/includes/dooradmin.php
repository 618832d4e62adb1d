<?php
/**
 * The door's part of the page at Settings › Passerelle.
 *
 * Copyright The Passerelle authors. SPDX-License-Identifier: Apache-2.0
 *
 * @package Passerelle
 */

defined( 'ABSPATH' ) || exit;

/** Declare the door's option. */
function passerelle_door_register() {
	register_setting(
		PASSERELLE_GROUP,
		PASSERELLE_DOOR,
		array(
			'type'              => 'array',
			'sanitize_callback' => 'passerelle_door_save',
			'default'           => array(),
			'show_in_rest'      => false,
		)
	);
}

/**
 * Clean what the form sent, and say what of it could not be used.
 *
 * @param mixed $given Fields of the form.
 * @return array{on: string, key: string, daily: string}
 */
function passerelle_door_save( $given ) {
	$clean = passerelle_door_sanitize( $given );
	if ( is_array( $given ) && '' !== passerelle_text( $given, 'key' ) && '' === $clean['key'] ) {
		add_settings_error( PASSERELLE_DOOR, 'passerelle_door', __( 'This is not a door’s key. Copy all 43 letters and digits that the network’s operator gave you.', 'passerelle' ) );
	}
	return $clean;
}

/** Print the door's section of the form. */
function passerelle_door_section() {
	$door  = passerelle_door_settings();
	$name  = PASSERELLE_DOOR;
	$fault = $door['on'] ? passerelle_door_fault() : '';
	?>
	<h2><?php esc_html_e( 'Door', 'passerelle' ); ?></h2>
	<p>
		<?php esc_html_e( 'Some countries block the network’s own addresses. A door lets readers there in through your site’s address: their browsers send sealed messages here, and your server passes them on to the network’s servers and to nobody else. Neither you nor this plugin can read them.', 'passerelle' ); ?>
	</p>
	<table class="form-table" role="presentation">
		<tr>
			<th scope="row"><?php esc_html_e( 'Be a door', 'passerelle' ); ?></th>
			<td>
				<label for="passerelle-door-on">
					<input type="checkbox" id="passerelle-door-on" name="<?php echo esc_attr( $name ); ?>[on]" value="1"<?php checked( $door['on'], '1' ); ?> aria-describedby="passerelle-door-costs">
					<?php esc_html_e( 'Pass sealed messages of blocked readers on to the network', 'passerelle' ); ?>
				</label>
				<?php if ( $door['on'] && '' === $fault ) : ?>
					<p id="passerelle-door-state"><strong><?php esc_html_e( 'The door is open. The network’s operator sees within a minute whether readers get through.', 'passerelle' ); ?></strong></p>
				<?php elseif ( $door['on'] ) : ?>
					<p id="passerelle-door-state" class="notice notice-error inline"><?php echo esc_html( $fault ); ?></p>
				<?php endif; ?>
				<div class="description" id="passerelle-door-costs">
					<p><?php esc_html_e( 'What you should know before you turn it on:', 'passerelle' ); ?></p>
					<ul class="ul-disc">
						<li><?php esc_html_e( 'Your server sees these readers’ addresses, as it sees those of all visitors. This plugin keeps none, but your server’s own log does, and whoever holds that log has a list of readers. Ask your host to keep no log of the door’s address.', 'passerelle' ); ?></li>
						<li><?php esc_html_e( 'It takes traffic: a few kilobytes for each reader and hour while volunteers carry the rest, and all that readers read where no volunteer can be reached. What comes in goes out again, so your host may count it twice.', 'passerelle' ); ?></li>
						<li>
							<?php
							/* translators: 1, 2: numbers. */
							echo esc_html( sprintf( __( 'It takes work: at most %1$d requests at once, each in a PHP process of its own, and %2$d in a minute.', 'passerelle' ), PASSERELLE_DOOR_AT_ONCE, PASSERELLE_DOOR_MINUTE_MOST ) );
							?>
						</li>
						<li><?php esc_html_e( 'A country that finds out may block your site there.', 'passerelle' ); ?></li>
					</ul>
				</div>
			</td>
		</tr>
		<tr>
			<th scope="row"><label for="passerelle-door-url"><?php esc_html_e( 'Address', 'passerelle' ); ?></label></th>
			<td>
				<input type="text" class="large-text code" id="passerelle-door-url" readonly value="<?php echo esc_attr( passerelle_door_url() ); ?>" aria-describedby="passerelle-door-url-hint">
				<p class="description" id="passerelle-door-url-hint"><?php esc_html_e( 'Give this to the network’s operator, who names it to readers and gives you its key.', 'passerelle' ); ?></p>
			</td>
		</tr>
		<tr>
			<th scope="row"><label for="passerelle-door-key"><?php esc_html_e( 'Key', 'passerelle' ); ?></label></th>
			<td>
				<input type="text" class="large-text code" id="passerelle-door-key" name="<?php echo esc_attr( $name ); ?>[key]" value="<?php echo esc_attr( $door['key'] ); ?>" autocomplete="off" spellcheck="false" aria-describedby="passerelle-door-key-hint">
				<p class="description" id="passerelle-door-key-hint"><?php esc_html_e( 'From the network’s operator. By it the network knows your door; it opens nothing else.', 'passerelle' ); ?></p>
			</td>
		</tr>
		<tr>
			<th scope="row"><label for="passerelle-door-daily"><?php esc_html_e( 'At most', 'passerelle' ); ?></label></th>
			<td>
				<select id="passerelle-door-daily" name="<?php echo esc_attr( $name ); ?>[daily]">
					<?php foreach ( PASSERELLE_DOOR_DAILY as $gigabytes ) : ?>
						<option value="<?php echo esc_attr( $gigabytes ); ?>"<?php selected( $door['daily'], $gigabytes ); ?>>
							<?php
							/* translators: %s: a number. */
							echo esc_html( sprintf( __( '%s GB a day', 'passerelle' ), $gigabytes ) );
							?>
						</option>
					<?php endforeach; ?>
				</select>
			</td>
		</tr>
	</table>
	<?php
}
