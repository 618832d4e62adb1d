<?php
/**
 * A page cache, as plugins of that kind work: what a stranger's first visit was answered is kept in
 * a file and answers the next ones before WordPress does anything. Other plugins empty it by the
 * function that WP Super Cache has for it.
 */

const PAGE_CACHE = WP_CONTENT_DIR . '/cache/pages/';

function page_cache_file() {
	return PAGE_CACHE . md5( $_SERVER['REQUEST_URI'] ) . '.html';
}

function wp_cache_clear_cache() {
	array_map( 'unlink', glob( PAGE_CACHE . '*' ) );
}

if ( PHP_SAPI === 'cli-server' && 'GET' === $_SERVER['REQUEST_METHOD'] && ! preg_grep( '~^wordpress_logged_in~', array_keys( $_COOKIE ) ) ) {
	if ( is_file( page_cache_file() ) ) {
		header( 'X-Page-Cache: hit' );
		readfile( page_cache_file() );
		exit;
	}
	add_action(
		'template_redirect',
		function () {
			ob_start(
				function ( $page ) {
					wp_mkdir_p( PAGE_CACHE );
					file_put_contents( page_cache_file(), $page );
					return $page;
				}
			);
		},
		-1
	);
}
