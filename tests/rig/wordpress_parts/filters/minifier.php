<?php
/**
 * A minifier of HTML: comments, white space between elements, and quotation marks that HTML can do
 * without are left out.
 */

add_action(
	'template_redirect',
	function () {
		ob_start(
			function ( $page ) {
				$page = preg_replace( array( '~<!--(?!\[if).*?-->~s', '~>\s+<~' ), array( '', '> <' ), $page );
				return preg_replace_callback(
					'~<[a-z][^>]*>~i',
					function ( $tag ) {
						return preg_replace( '~(\s[a-z-]+)="([^"\'`=<>\s/]+|[^"\'`=<>\s]+[^"\'`=<>\s/])"~i', '$1=$2', $tag[0] );
					},
					$page
				);
			}
		);
	}
);
