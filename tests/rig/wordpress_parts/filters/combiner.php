<?php
/**
 * A combiner of scripts: all scripts of the page, of other servers too, become one deferred file,
 * whatever their type. It leaves alone what says one of the words by which such plugins are told to.
 */

const COMBINER_SPARES = '~\s(?:data-no-optimize|data-noptimize|data-no-minify|nowprocket)\b~';

add_action(
	'template_redirect',
	function () {
		ob_start(
			function ( $page ) {
				$all  = '';
				$page = preg_replace_callback(
					'~<script\b[^>]*\ssrc=["\']([^"\']+)["\'][^>]*></script>~',
					function ( $tag ) use ( &$all ) {
						if ( preg_match( COMBINER_SPARES, $tag[0] ) ) {
							return $tag[0];
						}
						$path = ABSPATH . ltrim( wp_parse_url( $tag[1], PHP_URL_PATH ), '/' );
						$all .= file_get_contents( is_file( $path ) ? $path : $tag[1] ) . ";\n";
						return '';
					},
					$page
				);
				wp_mkdir_p( WP_CONTENT_DIR . '/cache' );
				file_put_contents( WP_CONTENT_DIR . '/cache/all.js', $all );
				return str_replace( '</body>', '<script defer src="' . content_url( 'cache/all.js' ) . '"></script></body>', $page );
			}
		);
	}
);
