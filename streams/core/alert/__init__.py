"""Alert: from what watches find to few, true and explained alerts."""
