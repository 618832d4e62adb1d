<?php
// Fills a WordPress with five stories, each with a picture in several sizes, a menu, and comments for everybody.
require_once ABSPATH . 'wp-admin/includes/image.php';
require_once ABSPATH . 'wp-admin/includes/taxonomy.php';
update_option( 'permalink_structure', '/%year%/%monthnum%/%postname%/' );
flush_rewrite_rules();
update_option( 'posts_per_page', 3 );
update_option( 'comment_previously_approved', 0 );
switch_theme( 'twentytwentythree' );
wp_delete_post( 1, true );

$file = wp_upload_dir()['path'] . '/bridge.png';
file_put_contents( $file, base64_decode( $given['picture'] ) );
$picture = wp_insert_attachment(
	array( 'post_mime_type' => 'image/png', 'post_title' => 'Bridge', 'post_status' => 'inherit' ),
	$file
);
wp_update_attachment_metadata( $picture, wp_generate_attachment_metadata( $picture, $file ) );

$valley = wp_create_category( 'Valley' );
$first  = home_url( '/2026/01/story-1/' );
for ( $number = 1; $number <= 5; $number++ ) {
	$story = wp_insert_post(
		array(
			'post_title'     => "Story $number of the river",
			'post_name'      => "story-$number",
			'post_status'    => 'publish',
			'comment_status' => 'open',
			'post_category'  => array( $valley ),
			'post_date'      => "2026-0$number-10 10:00:00",
			'post_content'   => "<!-- wp:paragraph --><p>The heron stood by the water, day $number.</p><!-- /wp:paragraph -->"
				. '<!-- wp:image {"sizeSlug":"large"} --><figure class="wp-block-image size-large">'
				. wp_get_attachment_image( $picture, 'large' ) . '</figure><!-- /wp:image -->'
				. "<!-- wp:paragraph --><p><a href=\"$first\">The first story</a></p><!-- /wp:paragraph -->",
		)
	);
	set_post_thumbnail( $story, $picture );
}

wp_insert_post(
	array(
		'post_type'    => 'wp_navigation',
		'post_status'  => 'publish',
		'post_title'   => 'Menu',
		'post_content' => '<!-- wp:navigation-submenu {"label":"Sections","url":"#","kind":"custom"} -->'
			. '<!-- wp:navigation-link {"label":"Valley","url":"' . get_category_link( $valley ) . '","kind":"custom"} /-->'
			. '<!-- /wp:navigation-submenu -->',
	)
);
return true;
