"""What simulated providers do, once for the memory fakes and for the durable ones: only the book differs."""
