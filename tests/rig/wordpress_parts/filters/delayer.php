<?php
/**
 * A delayer of scripts: none runs before the visitor moves the mouse or touches something. It leaves
 * alone what says one of the words by which such plugins are told to.
 */

const DELAYER_SPARES = '~\s(?:data-no-defer|nowprocket)\b|data-cfasync="false"~';

add_action(
	'template_redirect',
	function () {
		ob_start(
			function ( $page ) {
				$page = preg_replace_callback(
					'~<script\b[^>]*\ssrc=[^>]*>~',
					function ( $tag ) {
						return preg_match( DELAYER_SPARES, $tag[0] ) ? $tag[0] : preg_replace( '~(?<=<script)(.*?)(?:\stype=("[^"]*")|(?=\ssrc))~', '$1 type="delayed" data-type=$2', $tag[0], 1 );
					},
					$page
				);
				return str_replace( '</body>', '<script>addEventListener("pointermove", () => document.querySelectorAll("[type=delayed]").forEach((old) => { const made = document.createElement("script"); made.type = old.dataset.type; made.src = old.src; old.replaceWith(made); }), { once: true })</script></body>', $page );
			}
		);
	}
);
