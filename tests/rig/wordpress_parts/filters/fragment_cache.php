<?php
/**
 * A cache of fragments: what a post's text has become is kept, and the next visits get it without a
 * shortcode or filter having run.
 */

function fragment_cache_file() {
	return WP_CONTENT_DIR . '/cache/fragment-' . get_the_ID() . '.html';
}

add_filter(
	'the_content',
	function ( $content ) {
		if ( ! is_file( fragment_cache_file() ) ) {
			return $content;
		}
		remove_all_filters( 'the_content' );
		return file_get_contents( fragment_cache_file() );
	},
	-1000
);
add_filter(
	'the_content',
	function ( $content ) {
		wp_mkdir_p( WP_CONTENT_DIR . '/cache' );
		file_put_contents( fragment_cache_file(), $content );
		return $content;
	},
	1000
);
